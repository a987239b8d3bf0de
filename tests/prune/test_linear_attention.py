"""Matrices of channels by channels: what a product contracts may go, and what it passes on too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.prune.checks import check, reasons
from tests.prune.nets import Net, head, unit

Attention = Callable[[Tensor, Tensor, Tensor], Tensor]


def attending(attend: Attention) -> nn.Module:
    """`attend` gets queries, keys (n, 64, 16) and values (n, 64, 12), and gives (n, 64, 12)."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).transpose(1, 2)
        return m.fc(m.o(attend(m.q(y), m.k(y), m.v(y))).relu().mean(1))

    layers = {"q": nn.Linear(16, 16), "k": nn.Linear(16, 16), "v": nn.Linear(16, 12)}
    return Net(forward, a=unit(3, 16), **layers, o=nn.Linear(12, 8), fc=head(8))


HALVED = {"q.weight:0": 8, "k.weight:0": 8, "v.weight:0": 6, "o.weight:1": 6}
HELD = {**HALVED, "q.weight:0": 16, "k.weight:0": 16}


@pytest.mark.parametrize(
    "attend",
    [
        lambda q, k, v: q @ (k.transpose(1, 2) @ v),
        lambda q, k, v: q @ (k.softmax(1).transpose(1, 2) @ v * 0.25),
        lambda q, k, v: q.relu() @ (k.relu().mT @ v).contiguous() / 64,
        lambda q, k, v: torch.bmm(q.sigmoid(), torch.bmm(k.mT, v)),
        lambda q, k, v: ((v.mT @ k) @ q.mT).mT,
        lambda q, k, v: q.softmax(-1) @ (k.mT @ v).relu(),
        lambda q, k, v: torch.cat([q @ (k.mT @ v), q @ (k.mT @ v).tanh()], 1)[:, :64],
    ],
)  # fmt: skip
def test_keys_by_values(attend: Attention) -> None:
    """A removed channel is zero in the queries or in the keys: the sum is that of the others."""
    assert check(attending(attend), HALVED)["frozen"][0]["op"] == "output"


@pytest.mark.parametrize(
    "attend",
    [
        lambda q, k, v: q.sigmoid() @ (k.mT.sigmoid() @ v),
        lambda q, k, v: q.sigmoid() @ (k.mT @ v + 1),
        lambda q, k, v: q.sigmoid() @ (k.mT @ v).softmax(-1),
    ],
)  # fmt: skip
def test_rows_that_are_not_zero_stay(attend: Attention) -> None:
    report = check(attending(attend), HELD)
    assert "matmul: sums over channels that need not be zero" in reasons(report)


@pytest.mark.parametrize(
    "attend",
    [
        lambda q, k, v: q @ (k.mT @ v).softmax(1),
        lambda q, k, v: q @ (k.mT @ v)[:, :, :].flip(1),
        lambda q, k, v: q @ functional.layer_norm(k.mT @ v, (16, 12)),
    ],
)  # fmt: skip
def test_a_matrix_that_something_else_reads_keeps_its_rows(attend: Attention) -> None:
    report = check(attending(attend), {"k.weight:0": 16}, independent=False)
    assert any("matmul: makes a matrix" in reason for reason in reasons(report))


def test_attention_between_channels() -> None:
    """XCiT (El-Nouby et al., 2021): shares of channels, over those that stay."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k = (functional.normalize(t, dim=1) for t in (q, k))
        return ((q.mT @ k).softmax(-1) @ v.mT).mT

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).transpose(1, 2)
        return m.fc(m.o(attend(m.q(y), m.k(y), m.v(y))).relu().mean(1))

    layers = {name: nn.Linear(16, 16) for name in "qkvo"}
    module = Net(forward, a=unit(3, 16), **layers, fc=head(16))
    widths = {f"{name}.weight:0": 8 for name in "qkv"}
    report = check(module, {**widths, "o.weight:1": 8})
    assert report["certificate"]["kind"] == "masked-normalisation"


def test_a_row_of_shares_is_not_zero() -> None:
    """What a softmax passes on in a removed row may not be summed as if it were nothing."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        rows = (q.mT @ k).softmax(-1) @ k.sigmoid().mT  # (n, 16, 64), zero nowhere
        return (rows @ rows.mT).mean(1, keepdim=True)[:, :, :12] + v

    report = check(attending(attend), {"q.weight:0": 16, "v.weight:0": 12})
    assert reasons(report)
