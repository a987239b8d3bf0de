"""Pixel shuffles trade channels for pixels."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from tests.prune.checks import check
from tests.prune.nets import Net, head, unit


def pixel_shuffle() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = functional.pixel_shuffle(m.b(m.a(x)), 2)
        return m.fc(m.c(functional.pixel_unshuffle(y, 2)).mean((2, 3)))

    return Net(forward, a=unit(3, 16), b=unit(16, 32), c=unit(32, 16), fc=head(16))


def test_pixel_shuffle() -> None:
    check(pixel_shuffle(), {"b.0.weight:0": 16, "c.0.weight:1": 16})
