"""Small networks, each with something a converter gets wrong."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def _calibrated(net: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """Batch norms that have seen data, so that activations have the ranges of a trained net."""
    net.train()
    for _ in range(4):
        net(torch.randn(16, *shape))
    return net.eval()


class Pools(nn.Module):
    """Padded pools after a ReLU and over signed values; depthwise with a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.bn1 = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.depthwise, self.bn2 = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8)
        self.classifier = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(self.bn1(self.stem(x)).relu(), 3, 2, 1)
        signed = self.bn2(self.depthwise(x)) + x - 2
        return self.classifier(functional.max_pool2d(signed, 3, 2, 1).mean((2, 3)))


class Heads(nn.Module):
    """GELU, three outputs (two of one shape, one a cube), as a detector's heads."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 4, 4)
        self.heads = nn.ModuleList(nn.Conv2d(16, width, 1) for width in (4, 2, 4))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = functional.gelu(self.stem(x))
        first, second, third = (head(x) for head in self.heads)
        return third.sigmoid(), second.flatten(1), first


class Sound(nn.Module):
    """1-D convolutions with a padded pool over signed values."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn = nn.Conv1d(4, 8, 5, padding=2), nn.BatchNorm1d(8)
        self.conv2, self.classifier = nn.Conv1d(8, 8, 3), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool1d(self.bn(self.conv1(x)), 3, 2, 1)
        return self.classifier(self.conv2(x).relu().mean(-1))


class Cube(nn.Module):
    """Channels-last layers on a tensor whose height, width and channels are equal."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 16, 3, padding=1), nn.LayerNorm(16)
        self.mix, self.classifier = nn.Linear(16, 16), nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = x + self.mix(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return self.classifier(x.amax(-1).mean(-1))


class Embedding(nn.Module):
    """An output of length one, as a face or speaker net gives: squares, a root, a quotient."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.out = nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(8, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.normalize(self.out(self.stem(x).relu().mean((2, 3))), dim=1)


class Places(nn.Module):
    """Distances, uneven maxima, an image read on a grid made in float32 while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 5, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.stem(x)
        line = torch.linspace(-1, 1, 9)
        grid = torch.stack(torch.meshgrid(line, line, indexing="xy"), -1) * 0.9
        grid = grid[None].expand(x.shape[0], 9, 9, 2)
        parts = functional.grid_sample(
            self.head(functional.adaptive_max_pool2d(x, 5)), grid, align_corners=False
        )
        rows = x.flatten(2)
        return torch.cdist(rows, rows.detach().flip(1) + 4.0), parts


class Extras(nn.Module):
    """The same output twice, a decision, the anchors as they are, and a sum over everything."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 4, 1)
        self.register_buffer("anchors", torch.rand(6, 2))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = self.head(self.stem(x).relu())
        return y, y, y > 0, self.anchors, y.abs().sum()


SHAPES = {
    "extras": (3, 16, 16),
    "places": (3, 12, 12),
    "pools": (3, 16, 16), "heads": (3, 16, 16), "sound": (4, 32), "cube": (3, 16, 16),
    "embedding": (3, 16, 16),
}  # fmt: skip


def pools() -> nn.Module:
    return _calibrated(Pools(), SHAPES["pools"])


def heads() -> nn.Module:
    return _calibrated(Heads(), SHAPES["heads"])


def sound() -> nn.Module:
    return _calibrated(Sound(), SHAPES["sound"])


def cube() -> nn.Module:
    return Cube()


def places() -> nn.Module:
    return Places()


def extras() -> nn.Module:
    return Extras()


def embedding() -> nn.Module:
    return Embedding()
