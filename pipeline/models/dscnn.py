"""DS-CNN, the depthwise separable keyword spotter of MLPerf Tiny."""

from __future__ import annotations

import torch
from torch import nn


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, groups: int) -> nn.Module:
    padding = kernel // 2
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def _separable(width: int) -> nn.Module:
    depthwise = _convolution(width, width, 3, 1, width)
    return nn.Sequential(depthwise, _convolution(width, width, 1, 1, 1))


class DSCNN(nn.Module):
    """A strided stem, four depthwise separable blocks, pooling and a linear classifier."""

    def __init__(self, width: int, classes: int, channels: int) -> None:
        super().__init__()
        self.stem = _convolution(channels, width, 5, 2, 1)
        self.blocks = nn.Sequential(*[_separable(width) for _ in range(4)])
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, channels, h, w) -> logits (n, classes)."""
        features = self.blocks(self.stem(x)).mean((2, 3))
        logits: torch.Tensor = self.classifier(self.dropout(features))
        return logits


def dscnn(width: int = 64, classes: int = 12, channels: int = 1) -> nn.Module:
    """DS-CNN (Zhang et al., Hello Edge, 2017) with a square stem kernel, for images too."""
    return DSCNN(width, classes, channels)
