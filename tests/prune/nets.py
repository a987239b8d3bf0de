"""What the tests' small networks are made of; all take (3, 8, 8)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

SHAPE = (3, 8, 8)


class Net(nn.Module):
    """Named layers and a forward function: a graph shape in four lines."""

    def __init__(self, forward: Callable[..., Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.compute = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(self, x)


def conv(inputs: int, outputs: int, kernel: int = 3, groups: int = 1) -> nn.Module:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups)


def unit(inputs: int, outputs: int, groups: int = 1) -> nn.Module:
    return nn.Sequential(conv(inputs, outputs, 3, groups), nn.BatchNorm2d(outputs), nn.ReLU())


def head(width: int) -> nn.Module:
    return nn.Linear(width, 5)


def settle(model: nn.Module) -> nn.Module:
    """Deterministic weights, and batch norm statistics that are not the identity."""
    generator = torch.Generator().manual_seed(1)
    for tensor in [*model.parameters(), *model.buffers()]:
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            tensor.data = noise * 0.3 if tensor.dim() > 1 else noise.abs() + 0.3
    return model.eval()


def shuffled(x: Tensor, groups: int) -> Tensor:
    n, c, h, w = x.shape
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).reshape(n, c, h, w)
