"""A plain chain of layers."""

from __future__ import annotations

from torch import nn

from tests.prune.checks import check
from tests.prune.nets import Net, head, unit


def plain() -> nn.Module:
    return Net(
        lambda m, x: m.c(m.b(m.a(x)).mean((2, 3))), a=unit(3, 16), b=unit(16, 24), c=head(24)
    )


def test_plain() -> None:
    check(plain(), {"a.0.weight:0": 8, "b.0.weight:0": 12, "b.0.weight:1": 8, "c.weight:1": 12})
