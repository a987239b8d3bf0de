"""ResNet-8, the image classifier of MLPerf Tiny, for small inputs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut: 1x1 where the width or the resolution changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            convolution = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(convolution, nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs, h, w) -> (n, outputs, h / stride, w / stride)."""
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)) + self.shortcut(x)
        return torch.relu(y)


class ResNet8(nn.Module):
    """A stem, three blocks, global average pooling and a linear classifier."""

    def __init__(self, widths: Sequence[int], classes: int, channels: int) -> None:
        super().__init__()
        first, second, third = widths
        self.stem = nn.Conv2d(channels, first, 3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(first)
        blocks = Block(first, first, 1), Block(first, second, 2), Block(second, third, 2)
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(third, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, channels, h, w) -> logits (n, classes)."""
        y: torch.Tensor = self.classifier(self.blocks(self.bn(self.stem(x)).relu()).mean((2, 3)))
        return y


def resnet8(
    widths: Sequence[int] = (16, 32, 64), classes: int = 10, channels: int = 1
) -> nn.Module:
    """ResNet-8 (Banbury et al., MLPerf Tiny, 2021), with a stride of 2 in the stem."""
    return ResNet8(widths, classes, channels)
