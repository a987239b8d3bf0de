"""MobileNetV2 with torchvision's layout and parameter names, so that its weights load."""

from __future__ import annotations

import torch
from torch import nn

# expansion, output channels, repeats, stride of the first (table 2 of the paper)
STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
    (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


def _width(channels: float, multiple: int = 8) -> int:
    """The nearest multiple of 8 that loses at most a tenth."""
    width = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    return width + multiple if width < 0.9 * channels else width


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, groups: int) -> nn.Sequential:
    padding = kernel // 2
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU6())


class InvertedResidual(nn.Module):
    """Expand (1x1), filter (3x3 depthwise), project (1x1, linear)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(_convolution(inputs, hidden, 1, 1, 1))
        layers.append(_convolution(hidden, hidden, 3, stride, hidden))
        layers += [nn.Conv2d(hidden, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.conv = nn.Sequential(*layers)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, inputs, h, w) -> (n, outputs, h / stride, w / stride)."""
        y: torch.Tensor = self.conv(x)
        return x + y if self.residual else y


class MobileNetV2(nn.Module):
    """A strided stem, seventeen inverted residuals, a 1x1 convolution and a classifier."""

    def __init__(self, classes: int, width_mult: float, channels: int) -> None:
        super().__init__()
        width, last = _width(32 * width_mult), _width(1280 * max(1.0, width_mult))
        layers: list[nn.Module] = [_convolution(channels, width, 3, 2, 1)]
        for expansion, outputs, repeats, stride in STAGES:
            for i in range(repeats):
                wider = _width(outputs * width_mult)
                layers.append(InvertedResidual(width, wider, stride if i == 0 else 1, expansion))
                width = wider
        self.features = nn.Sequential(*layers, _convolution(width, last, 1, 1, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, channels, h, w) -> logits (n, classes)."""
        logits: torch.Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


def mobilenet_v2(classes: int = 1000, width_mult: float = 1.0, channels: int = 3) -> nn.Module:
    """MobileNetV2 (Sandler et al., 2018), initialised as torchvision does."""
    model = MobileNetV2(classes, width_mult, channels)
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
            nn.init.zeros_(module.bias)
    return model
