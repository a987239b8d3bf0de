"""Small networks of kinds that timm and torchvision lack: audio, sensors, heads, recurrence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def norm_unit(inputs: int, outputs: int, *, groups: int = 1, stride: int = 1) -> nn.Module:
    conv = nn.Conv2d(inputs, outputs, 3, stride, 1, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class TCResNet(nn.Module):
    """Temporal convolutions over 40 spectral bands (Choi et al., 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(40, 16, 3, padding=1)
        pairs = [(16, 24), (24, 32), (32, 48)]
        self.first = nn.ModuleList([self.unit(a, b, 9, 2) for a, b in pairs])
        self.second = nn.ModuleList([self.unit(b, b, 9, 1) for _, b in pairs])
        self.short = nn.ModuleList([self.unit(a, b, 1, 2) for a, b in pairs])
        self.head = nn.Linear(48, 12)

    @staticmethod
    def unit(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
        conv = nn.Conv1d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        return nn.Sequential(conv, nn.BatchNorm1d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        for first, second, short in zip(self.first, self.second, self.short, strict=True):
            x = (second(first(x).relu()) + short(x)).relu()
        return self.head(x.mean(-1))


class BCResNet(nn.Module):
    """Broadcast residuals and sub-spectral normalisation through a view (Kim et al., 2021)."""

    def __init__(self, width: int = 32, bands: int = 5) -> None:
        super().__init__()
        self.bands = bands
        self.stem = nn.Conv2d(1, width, 5, (2, 1), 2)
        self.frequency = nn.Conv2d(width, width, (3, 1), padding=(1, 0), groups=width, bias=False)
        self.norm = nn.BatchNorm2d(width * bands)
        self.time = nn.Conv2d(width, width, (1, 3), padding=(0, 1), groups=width, bias=False)
        self.point = nn.Conv2d(width, width, 1, bias=False)
        self.head = nn.Conv2d(width, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.frequency(x)
        n, c, f, t = y.shape
        y = self.norm(y.view(n, c * self.bands, f // self.bands, t)).view(n, c, f, t)
        z = self.point(functional.silu(self.time(y.mean(2, keepdim=True))))
        return self.head((x + y + z).relu().mean((2, 3), keepdim=True)).flatten(1)


class Shuffle(nn.Module):
    def __init__(self, width: int = 32, groups: int = 2) -> None:
        super().__init__()
        self.groups, self.stem = groups, norm_unit(3, width)
        self.a = nn.Conv2d(width, width, 1, groups=groups)
        self.b = norm_unit(width, width, groups=width)
        self.c = nn.Conv2d(width, width, 1, groups=groups)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.a(x).relu()
        n, c, h, w = y.shape
        y = y.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w)
        return self.head((x + self.c(self.b(y))).relu().mean((2, 3)))


class UNet(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.down = nn.ModuleList([norm_unit(3, width), norm_unit(width, 2 * width)])
        self.middle = norm_unit(2 * width, 4 * width)
        self.up = nn.ModuleList(
            [
                nn.ConvTranspose2d(4 * width, 2 * width, 2, 2),
                nn.ConvTranspose2d(2 * width, width, 2, 2),
            ]
        )
        self.join = nn.ModuleList([norm_unit(4 * width, 2 * width), norm_unit(2 * width, width)])
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.down[0](x)
        b = self.down[1](functional.max_pool2d(a, 2))
        c = self.middle(functional.max_pool2d(b, 2))
        b = self.join[0](torch.cat([self.up[0](c), b], 1))
        return self.head(self.join[1](torch.cat([self.up[1](b), a], 1)))


class C2f(nn.Module):
    """YOLOv8's block: halves of a convolution, each stage reading the last one's output."""

    def __init__(self, width: int = 32, depth: int = 2) -> None:
        super().__init__()
        half = width // 2
        self.stem, self.first = norm_unit(3, width, stride=2), nn.Conv2d(width, width, 1)
        self.stages = nn.ModuleList(
            [nn.Sequential(norm_unit(half, half), norm_unit(half, half)) for _ in range(depth)]
        )
        self.last = nn.Conv2d(half * (2 + depth), width, 1)
        self.boxes, self.classes = nn.Conv2d(width, 4, 1), nn.Conv2d(width, 6, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        parts = list(self.first(self.stem(x)).chunk(2, 1))
        for stage in self.stages:
            parts.append(parts[-1] + stage(parts[-1]))
        y = self.last(torch.cat(parts, 1)).relu()
        return self.boxes(y), self.classes(y)


class Keywords(nn.Module):
    def __init__(self, recurrent: type[nn.GRU] | type[nn.LSTM], **settings: Any) -> None:
        super().__init__()
        self.conv = nn.Conv1d(40, 32, 5, 2, 2)
        self.recurrent = recurrent(32, 64, batch_first=True, **settings)
        self.head = nn.Linear(64 * (2 if settings.get("bidirectional") else 1), 12)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.recurrent(self.conv(x).relu().transpose(1, 2))
        return self.head(y[:, -1])


class SharedHead(nn.Module):
    """One head on two scales, as in RetinaNet."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.a, self.b = norm_unit(3, width, stride=2), norm_unit(width, width, stride=2)
        self.tower, self.head = nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, 4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        a = self.a(x)
        return tuple(self.head(self.tower(y).relu()) for y in (a, self.b(a)))


class Flatten(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = norm_unit(1, 8, stride=2), norm_unit(8, 16, stride=2)
        self.hidden, self.head = nn.Linear(16 * 7 * 7, 64), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.hidden(self.b(self.a(x)).view(x.size(0), -1)).relu())


class ControlFlow(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = norm_unit(3, 16), norm_unit(16, 16), nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(functional.avg_pool2d(x, 2) if x.shape[-1] > 16 else x)
        y = self.b(x)
        return self.head((x + y if x.shape == y.shape else x).mean((2, 3)))


class Conformer(nn.Module):
    """Feed forward, attention and a gated depthwise convolution (Gulati et al., 2020)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Linear(40, width)
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)
        self.wide, self.narrow = nn.Conv1d(width, 2 * width, 1), nn.Conv1d(width, width, 1)
        self.depth, self.bn = nn.Conv1d(width, width, 7, 1, 3, groups=width), nn.BatchNorm1d(width)
        self.head = nn.Linear(width, 12)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x.transpose(1, 2))
        x = x + self.down(functional.silu(self.up(self.norms[0](x)))) * 0.5
        y = self.norms[1](x)
        n, t, c = y.shape
        q, k, v = (f(y).view(n, t, 4, c // 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        y = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, c)
        x = x + self.out(y)
        y = functional.glu(self.wide(self.norms[2](x).transpose(1, 2)), 1)
        x = x + self.narrow(functional.silu(self.bn(self.depth(y)))).transpose(1, 2)
        return self.head(x.mean(1))


class Video(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.n = nn.Conv3d(3, 16, 3, padding=1), nn.BatchNorm3d(16)
        self.b, self.head = nn.Conv3d(16, 32, 3, 2, 1), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.b(self.n(self.a(x)).relu()).relu().mean((2, 3, 4)))


class WaveNet(nn.Module):
    """Dilated gates with skip sums."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.stem = nn.Conv1d(1, width, 3, padding=1)
        self.gates = nn.ModuleList(
            [nn.Conv1d(width, 2 * width, 3, padding=2**i, dilation=2**i) for i in range(3)]
        )
        self.skips = nn.ModuleList([nn.Conv1d(width, 16, 1) for _ in range(3)])
        self.back = nn.ModuleList([nn.Conv1d(width, width, 1) for _ in range(3)])
        self.head = nn.Conv1d(16, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x, total = self.stem(x), torch.zeros(())
        for gate, skip, back in zip(self.gates, self.skips, self.back, strict=True):
            first, second = gate(x).chunk(2, 1)
            y = first.tanh() * second.sigmoid()
            total, x = total + skip(y), x + back(y)
        return self.head(total.relu())


class SuperResolution(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, width, 5, padding=2), nn.Conv2d(width, width, 3, padding=1)
        self.c, self.act = nn.Conv2d(width, width * 4, 3, padding=1), nn.PReLU(width)
        self.shuffle, self.head = nn.PixelShuffle(2), nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.shuffle(self.c(self.act(self.b(self.a(x).relu())))).relu())


def _dscnn() -> nn.Module:
    from pipeline.models.dscnn import dscnn

    return dscnn(64, 12)


NETWORKS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "dscnn": (_dscnn, (1, 49, 10)),
    "tc_resnet": (TCResNet, (40, 100)),
    "bc_resnet": (BCResNet, (1, 40, 50)),
    "channel_shuffle": (Shuffle, (3, 32, 32)),
    "unet": (UNet, (3, 32, 32)),
    "c2f": (C2f, (3, 32, 32)),
    "gru_keywords": (lambda: Keywords(nn.GRU), (40, 50)),
    "lstm_sensor": (lambda: Keywords(nn.LSTM, bidirectional=True, num_layers=2), (40, 50)),
    "shared_head": (SharedHead, (3, 32, 32)),
    "flatten_cnn": (Flatten, (1, 28, 28)),
    "control_flow": (ControlFlow, (3, 32, 32)),
    "conformer_block": (Conformer, (40, 50)),
    "video": (Video, (3, 8, 32, 32)),
    "wavenet": (WaveNet, (1, 128)),
    "super_resolution": (SuperResolution, (3, 24, 24)),
}
