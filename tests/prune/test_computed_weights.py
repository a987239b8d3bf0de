"""Weights that are computed from parameters are folded to their value, then pruned like others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from pipeline.models.graph import capture
from pipeline.prune.fold import fold
from tests.prune.checks import check
from tests.prune.nets import SHAPE, Net, conv, head, settle, unit


class Standardised(nn.Conv2d):
    """Qiao et al., 2019."""

    def forward(self, x: Tensor) -> Tensor:
        flat = self.weight.reshape(1, self.out_channels, -1)
        w = functional.batch_norm(flat, None, None, training=True).reshape_as(self.weight)
        return functional.conv2d(x, w, self.bias, padding=1)


class Scaled(Standardised):
    """The same with a learned gain (Brock et al., 2021)."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel)
        self.gain = nn.Parameter(torch.ones(outputs, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        flat = self.weight.reshape(1, self.out_channels, -1)
        gain = (self.gain * 0.3).view(-1)
        w = functional.batch_norm(flat, None, None, weight=gain, training=True)
        return functional.conv2d(x, w.reshape_as(self.weight), self.bias, padding=1)


def chain(layer: nn.Module) -> nn.Module:
    return Net(
        lambda m, x: m.fc(m.c(m.b(m.a(x)).relu()).mean((2, 3))),
        a=unit(3, 8), b=layer, c=unit(8, 16), fc=head(16),
    )  # fmt: skip


WIDTHS = {"a.0.weight:0": 4, "c.0.weight:1": 4, "c.0.weight:0": 8}


def test_weight_standardised() -> None:
    check(chain(Standardised(8, 8, 3)), {**WIDTHS, "b.weight:0": 4, "b.weight:1": 4}, exact=1e-5)


def test_scaled() -> None:
    check(chain(Scaled(8, 8, 3)), {**WIDTHS, "b.weight:0": 4, "b.weight:1": 4}, exact=1e-5)


def test_weight_norm() -> None:
    module = chain(parametrizations.weight_norm(conv(8, 8)))
    check(module, {**WIDTHS, "b.parametrizations.weight.original1:0": 4}, exact=1e-5)


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_weight_norm_of_old() -> None:
    """It leaves a computed tensor in the module, which no copy can be made of."""
    module = chain(torch.nn.utils.weight_norm(conv(8, 8)))
    module(torch.zeros(1, *SHAPE))
    check(module, {**WIDTHS, "b.weight_v:0": 4}, exact=1e-5)


def test_cosine_head() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = functional.normalize(m.a(x).mean((2, 3)))
        return functional.linear(y, functional.normalize(m.fc.weight)) * 10

    check(Net(forward, a=unit(3, 16), fc=head(16)), {"a.0.weight:0": 8}, exact=1e-5)


def test_matrix_that_is_computed() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(m.a(x).mean((2, 3)) @ m.b.weight.t().tanh())

    check(
        Net(forward, a=unit(3, 8), b=nn.Linear(8, 6), fc=head(6)), {"a.0.weight:0": 4}, exact=1e-5
    )


def test_folding_leaves_the_function_alone() -> None:
    module = settle(chain(Scaled(8, 8, 3)))
    graph = capture(module, SHAPE)
    folded = fold(graph)
    x = torch.randn(2, *SHAPE)
    torch.testing.assert_close(folded(x), module(x))
    assert "b.gain" not in folded.state_dict()
    assert fold(folded) is folded
