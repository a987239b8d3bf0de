"""Activations pass channels on, also those that torch does not tag as pointwise."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from tests.prune.checks import check
from tests.prune.nets import Net, head, unit

ACTIVATIONS = (
    nn.Hardswish, nn.Hardsigmoid, nn.LogSigmoid, nn.ReLU6, nn.Mish, nn.GELU, nn.ELU, nn.Softplus,
    nn.Softsign, nn.LeakyReLU,
)  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activation(activation: type[nn.Module]) -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(m.act(m.b(m.a(x))).mean((2, 3)))

    net = Net(forward, a=unit(3, 8), b=nn.Conv2d(8, 8, 1), act=activation(), fc=head(8))
    report = check(net, {"a.0.weight:0": 4, "b.weight:0": 4, "fc.weight:1": 4})
    assert {row["op"] for row in report["frozen"]} == {"output"}
