"""Recurrent layers read pruned channels, and their own state shrinks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.prune.checks import check
from tests.prune.nets import Net, conv, head, unit


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
def test_a_projected_state_has_two_widths() -> None:
    widths = {"g.weight_hh_l0:0": 24, "g.weight_hh_l0:1": 2, "g.weight_hr_l0:1": 6}
    check(projected(), {**widths, "g.weight_ih_l0:1": 8, "fc.weight:1": 2})


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


def test_a_cell_written_by_hand() -> None:
    """Its state starts as a tensor of zeros, which takes the width of what it meets."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).mean(2)
        state = y.new_zeros(x.shape[0], 12)
        for step in range(3):
            both = torch.cat([y[:, :, step], state], 1)
            update, reset = m.gates(both).sigmoid().chunk(2, 1)
            new = m.new(torch.cat([y[:, :, step], reset * state], 1)).tanh()
            state = (1 - update) * state + update * new
        return m.fc(state)

    layers = {"gates": nn.Linear(28, 24), "new": nn.Linear(28, 12), "fc": head(12)}
    widths = {"gates.weight:0": 12, "gates.weight:1": 14, "new.weight:0": 6, "fc.weight:1": 6}
    check(Net(forward, a=unit(3, 16), **layers), widths)


def test_a_convolutional_cell() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        state = torch.zeros(x.shape[0], 16, 8, 8)
        for _ in range(2):
            state = m.update(torch.cat([x, state], 1)).tanh() + 0.5 * state
        return m.fc(state.mean((2, 3)))

    check(Net(forward, update=conv(19, 16), fc=head(16)), {"update.weight:0": 8, "fc.weight:1": 8})
