"""Recurrent layers read pruned channels, and their own state shrinks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.prune.checks import check, reasons
from tests.prune.nets import Net, head, unit


def recurrent() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(m.g(m.a(x).mean(2).transpose(1, 2))[0][:, -1])

    gru = nn.GRU(16, 12, batch_first=True, bidirectional=True)
    return Net(forward, a=unit(3, 16), g=gru, fc=head(24))


def lstm(**settings: Any) -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        y, (hidden, _) = m.g(m.a(x).mean(2).transpose(1, 2))
        return m.fc(m.b(y)[:, -1] + m.c(hidden[-1]))

    layer = nn.LSTM(16, 12, batch_first=True, **settings)
    wide = 12 * (1 + layer.bidirectional)
    layers = {"b": nn.Linear(wide, 6), "c": nn.Linear(12, 6), "fc": head(6)}
    return Net(forward, a=unit(3, 16), g=layer, **layers)


def from_a_computed_state() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x)
        first = m.s(y.mean((2, 3))).unsqueeze(0)
        return m.fc(m.g(y.mean(2).transpose(1, 2), first)[0][:, -1])

    gru = nn.GRU(16, 12, batch_first=True)
    return Net(forward, a=unit(3, 16), g=gru, s=nn.Linear(16, 12), fc=head(12))


def projected() -> nn.Module:
    layer = nn.LSTM(16, 12, batch_first=True, proj_size=4)
    return Net(
        lambda m, x: m.fc(m.g(m.a(x).mean(2).transpose(1, 2))[0][:, -1]),
        a=unit(3, 16),
        g=layer,
        fc=head(4),
    )


def test_gru_in_both_directions() -> None:
    check(
        recurrent(),
        {
            "g.weight_ih_l0:1": 8,
            "g.weight_ih_l0_reverse:1": 8,
            "g.weight_hh_l0:1": 6,
            "g.weight_hh_l0:0": 18,
            "g.bias_ih_l0:0": 18,
            "fc.weight:1": 12,
        },
    )


def test_lstm_of_two_layers() -> None:
    widths = {"g.weight_ih_l1:0": 24, "g.weight_hh_l1:1": 6, "c.weight:1": 6}
    check(lstm(num_layers=2), {**widths, "g.weight_ih_l1:1": 6, "b.weight:1": 6})
    check(lstm(num_layers=2, bidirectional=True), {**widths, "g.weight_ih_l1:1": 12})


def test_a_state_that_is_computed_is_tied() -> None:
    check(from_a_computed_state(), {"s.weight:0": 6, "g.weight_hh_l0:1": 6})


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported")
def test_projected_state_stays() -> None:
    report = check(projected(), {"g.weight_hh_l0:0": 48, "g.weight_ih_l0:1": 8})
    assert "lstm: projects its state" in reasons(report)


@pytest.mark.parametrize("kind", ["gru", "lstm", "rnn"])
def test_cells_in_a_loop(kind: str) -> None:
    """A state that starts from zeros gets the number of units that stay."""
    cell = {"gru": nn.GRUCell, "lstm": nn.LSTMCell, "rnn": nn.RNNCell}[kind](16, 12)

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).mean(2)
        state = torch.zeros(x.shape[0], 12)
        both = (state, torch.zeros(x.shape[0], 12))
        for step in range(3):
            both = m.g(y[:, :, step], both) if kind == "lstm" else (m.g(y[:, :, step], both[0]),)
        return m.fc(both[0])

    module = Net(forward, a=unit(3, 16), g=cell, fc=head(12))
    check(module, {"g.weight_ih:1": 8, "g.weight_hh:1": 6, "fc.weight:1": 6})
