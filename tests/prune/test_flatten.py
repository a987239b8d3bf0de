"""Flattening spreads each channel over many inputs."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from tests.prune.checks import check
from tests.prune.nets import Net, head, unit


def flatten() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = functional.max_pool2d(m.a(x), 2)
        return m.fc(m.l(y.view(y.size(0), -1)).relu())

    return Net(forward, a=unit(3, 16), l=nn.Linear(16 * 16, 24), fc=head(24))


def test_flatten() -> None:
    check(flatten(), {"a.0.weight:0": 8, "l.weight:1": 128, "fc.weight:1": 12})
