"""Grouped, depthwise and transposed convolutions."""

from __future__ import annotations

from torch import Tensor, nn

from tests.prune.checks import check
from tests.prune.nets import Net, head, shuffled, unit


def grouped() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(m.c(shuffled(m.b(m.a(x)), 4)).mean((2, 3)))

    return Net(forward, a=unit(3, 16), b=unit(16, 32, 4), c=unit(32, 16, 2), fc=head(16))


def depthwise() -> nn.Module:
    layers = {"a": unit(3, 16), "d": unit(16, 16, 16), "p": unit(16, 24), "fc": head(24)}
    return Net(lambda m, x: m.fc(m.p(m.d(m.a(x))).mean((2, 3))), **layers)


def depthwise_multiplier() -> nn.Module:
    layers = {"a": unit(3, 8), "d": unit(8, 24, 8), "p": unit(24, 16), "fc": head(16)}
    return Net(lambda m, x: m.fc(m.p(m.d(m.a(x))).mean((2, 3))), **layers)


def transposed() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(m.b(m.g(m.d(m.t(m.a(x))))).mean((2, 3)))

    return Net(
        forward, a=unit(3, 16), t=nn.ConvTranspose2d(16, 8, 2, 2),
        d=nn.ConvTranspose2d(8, 16, 2, 2, groups=8), g=nn.ConvTranspose2d(16, 12, 2, 2, groups=2),
        b=unit(12, 8), fc=head(8),
    )  # fmt: skip


def test_grouped() -> None:
    check(grouped(), {"b.0.weight:0": 16, "b.0.weight:1": 2, "c.0.weight:1": 8})


def test_depthwise() -> None:
    check(depthwise(), {"d.0.weight:0": 8, "p.0.weight:1": 8})


def test_depthwise_multiplier() -> None:
    check(depthwise_multiplier(), {"a.0.weight:0": 4, "d.0.weight:0": 12, "p.0.weight:1": 12})


def test_transposed() -> None:
    check(
        transposed(),
        {"t.weight:0": 8, "t.weight:1": 4, "d.weight:0": 4, "g.weight:1": 3, "b.0.weight:1": 6},
    )
