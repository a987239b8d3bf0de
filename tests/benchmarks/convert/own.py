"""Small networks of kinds that a converter gets wrong: detectors, segmentation, resizing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def unit(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, act: Any = nn.SiLU
) -> nn.Module:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), act())


class C2f(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.first, self.last = unit(inputs, outputs, 1), unit(3 * half, outputs, 1)
        self.stage = nn.Sequential(unit(half, half), unit(half, half))

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.first(x).chunk(2, 1)
        return self.last(torch.cat([a, b, b + self.stage(b)], 1))


class Yolo(nn.Module):
    """C2f, SPPF, a path up, two scales; the boxes raw, or decoded as YOLOv8 does (DFL, anchors)."""

    def __init__(self, decode: bool, width: int = 8, bins: int = 8, size: int = 64) -> None:
        super().__init__()
        w = width
        self.decode, self.bins, self.size = decode, bins, size
        self.stem = nn.Sequential(unit(3, w, 3, 2), unit(w, 2 * w, 3, 2), C2f(2 * w, 2 * w))
        self.p3 = nn.Sequential(unit(2 * w, 4 * w, 3, 2), C2f(4 * w, 4 * w))
        self.p4 = nn.Sequential(unit(4 * w, 8 * w, 3, 2), C2f(8 * w, 8 * w))
        self.into, self.out = unit(8 * w, 4 * w, 1), unit(16 * w, 8 * w, 1)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.up = C2f(12 * w, 4 * w)
        widths = (4 * w, 8 * w)
        self.boxes = nn.ModuleList(nn.Conv2d(c, 4 * bins, 1) for c in widths)
        self.classes = nn.ModuleList(nn.Conv2d(c, 5, 1) for c in widths)
        self.register_buffer("project", torch.arange(bins).float().view(1, bins, 1, 1))
        places, strides = zip(*(self._grid(step) for step in (8, 16)), strict=True)
        self.register_buffer("places", torch.cat(places, 1)[None])
        self.register_buffer("strides", torch.cat(strides, 1)[None])

    def _grid(self, step: int) -> tuple[Tensor, Tensor]:
        n = self.size // step
        y, x = torch.meshgrid(torch.arange(n) + 0.5, torch.arange(n) + 0.5, indexing="ij")
        return torch.stack([x, y]).reshape(2, -1), torch.full((1, n * n), float(step))

    def forward(self, x: Tensor) -> Any:
        p3 = self.p3(self.stem(x))
        p4 = self.into(self.p4(p3))
        pools = [p4]
        for _ in range(3):
            pools.append(self.pool(pools[-1]))
        p4 = self.out(torch.cat(pools, 1))
        p3 = self.up(torch.cat([functional.interpolate(p4, scale_factor=2.0), p3], 1))
        boxes = [head(p) for head, p in zip(self.boxes, (p3, p4), strict=True)]
        classes = [head(p).sigmoid() for head, p in zip(self.classes, (p3, p4), strict=True)]
        if not self.decode:
            return tuple(boxes + classes)
        return self._decoded(boxes, classes)

    def _decoded(self, boxes: list[Tensor], classes: list[Tensor]) -> Tensor:
        box = torch.cat([b.flatten(2) for b in boxes], 2)
        n, _, count = box.shape
        distance = (box.view(n, 4, self.bins, count).transpose(1, 2).softmax(1) * self.project).sum(
            1
        )
        low, high = distance.chunk(2, 1)
        first, second = self.places - low, self.places + high
        found = torch.cat([(first + second) / 2, second - first], 1) * self.strides
        return torch.cat([found / self.size, torch.cat([c.flatten(2) for c in classes], 2)], 1)


class Atrous(nn.Module):
    """Dilated branches and a pooled one, resized back (DeepLabV3)."""

    def __init__(self, width: int = 16, classes: int = 6, corners: bool = False) -> None:
        super().__init__()
        self.corners = corners
        self.stem = nn.Sequential(
            unit(3, width, 3, 2, nn.ReLU), unit(width, 2 * width, 3, 2, nn.ReLU)
        )
        self.branches = nn.ModuleList(
            nn.Conv2d(2 * width, width, 3, padding=rate, dilation=rate) for rate in (1, 2, 4)
        )
        self.whole = nn.Conv2d(2 * width, width, 1)
        self.join, self.head = unit(4 * width, width, 1, 1, nn.ReLU), nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x)
        whole = self.whole(functional.adaptive_avg_pool2d(y, 1)).relu()
        whole = functional.interpolate(whole, y.shape[-2:], mode="bilinear")
        parts = [branch(y).relu() for branch in self.branches]
        y = self.head(self.join(torch.cat([*parts, whole], 1)))
        return functional.interpolate(y, x.shape[-2:], mode="bilinear", align_corners=self.corners)


class CenterNet(nn.Module):
    """Residuals, transposed convolutions with output padding, three heads."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = unit(3, width, 7, 2, nn.ReLU)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.a, self.b = unit(width, width, 3, 1, nn.ReLU), unit(width, width, 3, 1, nn.ReLU)
        self.up = nn.ConvTranspose2d(width, width, 3, 2, 1, output_padding=1)
        self.wide = nn.ConvTranspose2d(width, width, 4, 2, 1)
        self.heads = nn.ModuleList(nn.Conv2d(width, n, 1) for n in (3, 2, 2))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.pool(self.stem(x))
        x = x + self.b(self.a(x))
        x = self.wide(self.up(x).relu()).relu()
        heat, size, shift = (head(x) for head in self.heads)
        return heat.sigmoid(), size, shift


class Pools(nn.Module):
    """Every pool: padded, ceiled, averaged with and without its padding, adaptive."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem, self.head = unit(3, width, 3, 1, nn.Hardswish), nn.Linear(width * 9, 10)
        self.norm = nn.GroupNorm(4, width)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(self.stem(x), 3, 2, 1)
        x = functional.avg_pool2d(x, 3, 2, 1) + functional.avg_pool2d(
            x, 3, 2, 1, count_include_pad=False
        )
        x = functional.max_pool2d(self.norm(x), 2, 2, ceil_mode=True)
        return self.head(
            functional.adaptive_avg_pool2d(functional.pad(x, (1, 1, 1, 1), "reflect"), 3).flatten(1)
        )


class Encoder(nn.Module):
    """Attention over a signal that looks back only: a mask with minus infinity."""

    def __init__(self, width: int = 32, steps: int = 25) -> None:
        super().__init__()
        self.embed = nn.Linear(16, width)
        self.place = nn.Parameter(torch.randn(1, steps, width) * 0.1)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))
        self.head = nn.Linear(width, 12)
        self.register_buffer("mask", torch.full((steps, steps), float("-inf")).triu(1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x) + self.place
        n, t, c = x.shape
        q, k, v = self.qkv(self.norms[0](x)).view(n, t, 3, 4, c // 4).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=self.mask)
        x = x + self.out(y.transpose(1, 2).reshape(n, t, c))
        return self.head((x + self.mlp(self.norms[1](x))).mean(1))


NETWORKS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "yolo_raw": (lambda: Yolo(False), (3, 64, 64)),
    "yolo_decoded": (lambda: Yolo(True), (3, 64, 64)),
    "deeplab": (Atrous, (3, 48, 48)),
    "deeplab_corners": (lambda: Atrous(corners=True), (3, 48, 64)),
    "centernet": (CenterNet, (3, 48, 48)),
    "pools": (Pools, (3, 37, 37)),
    "masked_encoder": (Encoder, (25, 16)),
}
