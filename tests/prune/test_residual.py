"""Residual additions tie their operands."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from tests.prune.checks import check
from tests.prune.nets import Net, head, unit


def residual() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.stem(x)
        return m.fc(functional.relu(y + m.b(m.a(y))).mean((2, 3)))

    return Net(forward, stem=unit(3, 16), a=unit(16, 24), b=unit(24, 16), fc=head(16))


def padded_shortcut() -> nn.Module:
    """A shortcut that is widened with zero channels instead of a convolution."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x)
        y = functional.pad(y, (0, 0, 0, 0, 4, 4)) + m.b(y)
        return m.fc(m.c(y).mean((2, 3)))

    return Net(forward, a=unit(3, 8), b=unit(8, 16), c=unit(16, 8), fc=head(8))


def test_residual() -> None:
    check(
        residual(), {"stem.0.weight:0": 8, "a.0.weight:0": 12, "b.0.weight:0": 8, "fc.weight:1": 8}
    )


def test_padded_shortcut() -> None:
    check(padded_shortcut(), {"a.0.weight:0": 4, "b.0.weight:0": 12})
