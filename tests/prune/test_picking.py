"""Channels that are picked, placed or rolled by number."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.models.graph import named_tensors
from pipeline.prune.standalone import prune_module
from pipeline.prune.writeback import write_back
from tests.prune.checks import HALF, check, reasons
from tests.prune.nets import SHAPE, Net, conv, head, settle, unit

ORDER = torch.tensor([5, 2, 7, 0, 1, 6, 3, 4])


class Picked(nn.Module):
    """An order of channels in a buffer."""

    order: Tensor

    def __init__(self, order: Tensor, times: int = 1) -> None:
        super().__init__()
        self.a, self.b, self.fc = unit(3, 8), unit(len(order), 12), head(12)
        self.register_buffer("order", order)
        self.times = times

    def forward(self, x: Tensor) -> Tensor:
        y = self.a(x)
        for _ in range(self.times):
            y = y[:, self.order]
        return self.fc(self.b(y).mean((2, 3)))


def test_an_order_of_channels() -> None:
    check(Picked(ORDER), {"a.0.weight:0": 4, "b.0.weight:1": 4})


def test_an_order_that_two_places_read() -> None:
    check(Picked(ORDER, times=2), {"a.0.weight:0": 4, "b.0.weight:1": 4})


def test_channels_picked_twice_and_never() -> None:
    check(Picked(torch.tensor([0, 0, 3, 3, 5, 7, 7, 5])), {"b.0.weight:1": 4})


def test_a_list_in_the_source() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x)
        return m.fc(m.b(torch.cat([y[:, [6, 4, 2, 0]], y[:, [1, 3, 5, 7]]], 1)).mean((2, 3)))

    check(Net(forward, a=unit(3, 8), b=unit(8, 12), fc=head(12)), {"b.0.weight:1": 4})


def test_index_select() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(m.b(m.a(x).index_select(1, torch.arange(7, -1, -1))).mean((2, 3)))

    check(Net(forward, a=unit(3, 8), b=unit(8, 12), fc=head(12)), {"a.0.weight:0": 4})


def test_the_order_goes_back_into_the_module() -> None:
    module = settle(Picked(ORDER))
    pruned, _, _ = prune_module(module, SHAPE, HALF)
    assert named_tensors(pruned)["order"].sort().values.tolist() == [0, 1, 2, 3]
    assert isinstance(write_back(module, pruned), Picked)


def test_rolled_channels() -> None:
    """The distance is then the number of those that stay among those that came round."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x)
        y = torch.roll(y, (1, 3, -2), (2, 1, 1)) + torch.roll(y, -5, 1)
        return m.fc(m.b(y).mean((2, 3)))

    check(Net(forward, a=unit(3, 8), b=unit(8, 12), fc=head(12)))
    once = Net(lambda m, x: m.fc(m.b(torch.roll(m.a(x), 3, 1)).mean((2, 3))),
               a=unit(3, 8), b=unit(8, 12), fc=head(12))  # fmt: skip
    check(once, {"a.0.weight:0": 4, "b.0.weight:1": 4})


def test_gathered_neighbours() -> None:
    """Places that are computed, of another axis, repeated for each channel."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2)
        best = x.flatten(2).sum(1).topk(5).indices
        return m.fc(m.b(y.gather(2, best.unsqueeze(1).expand(-1, y.shape[1], -1))).mean(2))

    module = Net(forward, a=unit(3, 16), b=nn.Conv1d(16, 8, 1), fc=head(8))
    check(module, {"a.0.weight:0": 8, "b.weight:1": 8})


def test_sums_by_segment() -> None:
    """Added to a tensor of zeros, which becomes as narrow."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y, place = m.a(x).flatten(2), torch.arange(64) % 4
        first = y.new_zeros(x.shape[0], 16, 4).index_add(2, place, y)
        second = torch.zeros(x.shape[0], 16, 4).scatter_add(2, place.expand_as(y), y)
        return m.fc(m.b(first * second).mean(2))

    module = Net(forward, a=unit(3, 16), b=nn.Conv1d(16, 8, 1), fc=head(8))
    check(module, {"a.0.weight:0": 8, "b.weight:1": 8})


def test_places_that_are_computed_hold_their_axis() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).mean((2, 3))
        return m.fc(m.b(y.gather(1, m.c(x).mean((2, 3)).argsort(1))).relu())

    layers = {"c": conv(3, 16), "b": nn.Linear(16, 8), "fc": head(8)}
    report = check(Net(forward, a=unit(3, 16), **layers), {"a.0.weight:0": 16, "b.weight:0": 4})
    assert "gather: picks channels by number" in reasons(report)


def test_pooling_there_and_back() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        y, places = torch.nn.functional.max_pool2d(m.a(x), 2, return_indices=True)
        return m.fc(m.b(torch.nn.functional.max_unpool2d(m.c(y), places, 2)).mean((2, 3)))

    layers = {"c": conv(16, 16), "b": unit(16, 8), "fc": head(8)}
    check(Net(forward, a=unit(3, 16), **layers), {"c.weight:0": 8, "a.0.weight:0": 8})
