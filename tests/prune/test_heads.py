"""Attention heads as the units that go, whole."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import Refused
from pipeline.prune.stage import PruneConfig
from tests.prune.checks import check
from tests.prune.nets import Net, head, unit

HEADS = PruneConfig(ratio=0.5, granularity="heads")


class Bias(nn.Module):
    """(heads, 64, 64) from a table of places."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(7, 4))
        self.register_buffer("index", torch.arange(64 * 64) % 7)

    def forward(self) -> Tensor:
        return self.table[self.index].view(64, 64, 4).permute(2, 0, 1)


def attention(fused: bool) -> nn.Module:
    """Four heads of eight; scaled dot products, or written out with a bias for each head."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).transpose(1, 2)
        n, t, _ = y.shape
        q, k, v = m.qkv(y).reshape(n, t, 3, 4, 8).permute(2, 0, 3, 1, 4).unbind(0)
        if fused:
            z = functional.scaled_dot_product_attention(q, k, v)
        else:
            z = (q @ k.transpose(-2, -1) * 8**-0.5 + m.bias()).softmax(-1) @ v
        return m.fc(m.out(z.transpose(1, 2).reshape(n, t, 32)).mean(1))

    layers = {"qkv": nn.Linear(16, 96), "out": nn.Linear(32, 8), "bias": Bias(), "fc": head(8)}
    return Net(forward, a=unit(3, 16), **layers)


def test_half_of_the_heads() -> None:
    widths = {"qkv.weight:0": 48, "out.weight:1": 16, "a.0.weight:0": 16}
    report = check(attention(fused=True), widths, cfg=HEADS)
    assert [(f["before"], f["after"]) for f in report["families"]] == [(4, 2)]


def test_each_head_with_its_bias() -> None:
    check(attention(fused=False), {"qkv.weight:0": 48, "bias.table:1": 2}, cfg=HEADS)


def test_three_projections() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).transpose(1, 2)
        q, k, v = (f(y).unflatten(-1, (2, 8)).transpose(1, 2) for f in (m.q, m.k, m.v))
        y = functional.scaled_dot_product_attention(q, k, v)
        return m.fc(y.transpose(1, 2).flatten(2).mean(1))

    layers = {name: nn.Linear(16, 16) for name in "qkv"}
    module = Net(forward, a=unit(3, 16), fc=head(16), **layers)
    check(module, {"q.weight:0": 8, "k.weight:0": 8, "v.weight:0": 8}, cfg=HEADS)


def test_without_attention() -> None:
    module = Net(lambda m, x: m.fc(m.a(x).mean((2, 3))), a=unit(3, 8), fc=head(8))
    with pytest.raises(Refused, match="no product of attention"):
        check(module, cfg=HEADS)
