"""Constants along the channels are cut with them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.prune.checks import check
from tests.prune.nets import conv, head


def prelu_and_scale() -> nn.Module:
    """Per-channel constants: slopes, a layer scale, a buffer."""

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.fc = conv(3, 16), conv(16, 16), head(16)
            self.slopes = nn.PReLU(16)
            self.gamma = nn.Parameter(1e-6 * torch.ones(16, 1, 1))
            self.register_buffer("shift", torch.linspace(0, 1, 16).view(16, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            y = self.slopes(self.a(x))
            return self.fc((y + self.gamma * self.b(y) + self.shift).mean((2, 3)))

    return Scaled()


def test_prelu_and_scale() -> None:
    check(prelu_and_scale(), {"a.weight:0": 8, "slopes.weight:0": 8, "gamma:0": 8, "shift:0": 8})
