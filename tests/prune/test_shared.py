"""Layers and weights that are used twice."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from pipeline.prune.standalone import prune_module
from tests.prune.checks import HALF, check
from tests.prune.nets import SHAPE, Net, conv, head, settle, unit


def shared() -> nn.Module:
    """One layer called on two tensors: both must lose the same channels."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x)
        z = functional.max_pool2d(m.b(y), 2)
        return m.fc(m.h(y).mean((2, 3)) + m.h(z).mean((2, 3)))

    return Net(forward, a=unit(3, 16), b=unit(16, 16), h=unit(16, 12), fc=head(12))


def tied_weights() -> nn.Module:
    """Two layers with the same parameter objects."""

    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(m.c(m.second(m.first(m.stem(x)))).mean((2, 3)))

    layers = {"first": conv(16, 16), "second": conv(16, 16), "c": unit(16, 16), "fc": head(16)}
    net = Net(forward, stem=unit(3, 16), **layers)
    net.second.weight, net.second.bias = net.first.weight, net.first.bias
    return net


def test_shared() -> None:
    check(shared(), {"h.0.weight:0": 6, "h.0.weight:1": 8})


def test_tied_weights() -> None:
    check(tied_weights(), {"first.weight:0": 8, "second.weight:0": 8, "second.weight:1": 8})


def test_tied_weights_stay_tied() -> None:
    pruned, _, _ = prune_module(settle(tied_weights()), SHAPE, HALF)
    assert pruned.get_parameter("first.weight") is pruned.get_parameter("second.weight")
