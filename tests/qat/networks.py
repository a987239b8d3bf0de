"""Networks whose int8 arithmetic differs in kind, small enough to export in seconds."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Gates(nn.Module):
    """Depthwise, grouped and fused convolutions; concat, padded pool, a gate, softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm1 = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 16, 3, 1, 1, groups=8, bias=False)
        self.norm2 = nn.BatchNorm2d(16)
        self.left, self.right = nn.Conv2d(16, 12, 1), nn.Conv2d(8, 12, 1)
        self.grouped = nn.Conv2d(24, 24, 3, 1, 1, groups=2)
        self.gate, self.classifier = nn.Linear(24, 24), nn.Linear(24, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu6(self.norm1(self.stem(x)))
        y = self.left(functional.relu6(self.norm2(self.depthwise(x))))
        x = torch.cat([y, functional.hardswish(self.right(x))], 1)
        x = functional.max_pool2d(self.grouped(x).relu(), 3, 2, 1)
        x = x * torch.sigmoid(self.gate(x.mean((2, 3))))[:, :, None, None]
        x = functional.avg_pool2d(x, 2).mean((2, 3))
        return functional.softmax(self.classifier(x), -1)


class Detector(nn.Module):
    """SiLU, leaky ReLU, upsampling, a transposed convolution, a fixed scale into a concat."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16)
        self.down, self.up = nn.Conv2d(16, 32, 3, 2, 1), nn.ConvTranspose2d(32, 32, 2, 2)
        self.neck = nn.Conv2d(48, 16, 3, 1, 1)
        self.boxes, self.classes = nn.Conv2d(16, 4, 1), nn.Conv2d(16, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.silu(self.norm(self.stem(x)))
        y = functional.leaky_relu(self.down(x), 0.1)
        y = functional.interpolate(y, scale_factor=2) + self.up(y)
        y = self.neck(torch.cat([y, x], 1)).relu()
        parts = [self.boxes(y).flatten(2), self.classes(y).sigmoid().flatten(2)]
        return torch.cat(parts, 1)


class Pixels(nn.Module):
    """Boxes in pixels beside scores, of two scales, joined and turned: no int8 scale holds both."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.down = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 16, 3, 2, 1)
        self.boxes, self.classes = nn.Conv2d(16, 4, 1), nn.Conv2d(16, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).relu()
        levels = [x, self.down(x).relu()]
        found = [torch.cat([self.boxes(y) * 64, self.classes(y).sigmoid()], 1) for y in levels]
        return torch.cat([each.flatten(2) for each in found], 2)


class Sound(nn.Module):
    """1-D convolutions, tanh, ELU, a flattened classifier; a scaled and shifted input."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.conv1, self.conv2 = nn.Conv1d(4, 16, 5, padding=2), nn.Conv1d(16, 16, 3)
        self.classifier = nn.Linear(16 * 15, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool1d(functional.elu(self.conv1(self.norm(x))), 2)
        x = functional.pad(torch.tanh(self.conv2(x)), (0, 1))
        return self.classifier(x.flatten(1))


class Mobile(nn.Module):
    """What no delegate takes as it is: hard swish and hard sigmoid (MobileNetV3), a minus."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16)
        self.depthwise, self.norm2 = nn.Conv2d(16, 16, 3, 1, 1, groups=16), nn.BatchNorm2d(16)
        self.squeeze, self.excite = nn.Conv2d(16, 8, 1), nn.Conv2d(8, 16, 1)
        self.project, self.last = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 24, 3, 2, 1)
        self.classifier = nn.Linear(24, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.hardswish(self.norm(self.stem(x)))
        y = functional.hardswish(self.norm2(self.depthwise(x)))
        gate = self.excite(self.squeeze(y.mean((2, 3), keepdim=True)).relu())
        x = x + self.project(y * functional.hardsigmoid(gate))
        x = self.last(x)
        x = functional.hardswish(x) + functional.relu(x) * -x
        return self.classifier(x.mean((2, 3)))


class Wave(nn.Module):
    """An operator that no int8 kernel of the simulation computes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.classifier = nn.Conv2d(3, 8, 3), nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.sin(self.stem(x).mean((2, 3))))


SHAPES = {
    "gates": (3, 32, 32), "detector": (3, 32, 32), "sound": (4, 32), "unknown": (3, 8, 8),
    "mobile": (3, 32, 32), "pixels": (3, 32, 32),
}  # fmt: skip
KINDS = {
    "gates": Gates,
    "detector": Detector,
    "sound": Sound,
    "unknown": Wave,
    "mobile": Mobile,
    "pixels": Pixels,
}


def build(name: str) -> nn.Module:
    """The network with batch norms that have seen data."""
    net = KINDS[name]().train()
    for _ in range(4):
        net(2 * torch.randn(16, *SHAPES[name]))
    return net.eval()
