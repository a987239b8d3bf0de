"""Concatenations put channels side by side."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.prune.checks import check
from tests.prune.nets import Net, head, unit


def concat() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(m.c(torch.cat([m.a(x), m.b(x), x], 1)).mean((2, 3)))

    return Net(forward, a=unit(3, 8), b=unit(3, 16), c=unit(27, 16), fc=head(16))


def dense_block() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x)
        y = torch.cat([y, m.b(y)], 1)
        y = torch.cat([y, m.c(y)], 1)
        return m.fc(y.mean((2, 3)))

    return Net(forward, a=unit(3, 8), b=unit(8, 8), c=unit(16, 8), fc=head(24))


def test_concat() -> None:
    check(concat(), {"a.0.weight:0": 4, "b.0.weight:0": 8, "c.0.weight:1": 15})


def test_dense_block() -> None:
    check(dense_block(), {"b.0.weight:1": 4, "c.0.weight:1": 8, "fc.weight:1": 12})
