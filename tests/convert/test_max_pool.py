"""Padded max-pools lose their padding and nothing else."""

from __future__ import annotations

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from pipeline.convert.prepare.max_pool import unpad_max_pools
from pipeline.convert.prepare.nonnegative import op_name
from pipeline.errors import Refused
from pipeline.models.graph import capture


class Net(nn.Module):
    def __init__(self, before: nn.Module, pool: nn.Module) -> None:
        super().__init__()
        self.before, self.pool = before, pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(self.before(x))


def prepared(before: nn.Module, pool: nn.Module, shape: tuple[int, ...]) -> tuple[int, list[str]]:
    """Apply the pass, check the outputs bit by bit; how often it applied, and the graph's ops."""
    graph = capture(Net(before, pool), shape)
    x = torch.randn(3, *shape) - 3  # mostly negative: a wrong zero would win
    want = graph(x)
    count = unpad_max_pools(graph, shape)
    graph.recompile()
    assert torch.equal(graph(x), want)
    pools = [node for node in graph.graph.nodes if op_name(node).startswith("max_pool")]
    assert all(not any(node.args[3]) for node in pools if count)
    return count, [op_name(node) for node in graph.graph.nodes if op_name(node)]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(5, 12), st.integers(5, 12), st.integers(1, 5), st.integers(1, 4),
    st.integers(0, 2), st.booleans(), st.sampled_from([nn.ReLU(), nn.Identity()]),
)  # fmt: skip
def test_outputs_stay_bit_equal(
    height: int, width: int, kernel: int, stride: int, pad: int, ceil: bool, before: nn.Module
) -> None:
    assume(pad <= kernel // 2)
    prepared(before, nn.MaxPool2d(kernel, stride, pad, ceil_mode=ceil), (2, height, width))


def test_zero_padding_where_nothing_is_negative() -> None:
    count, ops = prepared(nn.ReLU(), nn.MaxPool2d(3, 2, 1), (2, 8, 8))
    assert count == 1
    assert "constant_pad_nd" in ops
    assert "cat" not in ops


def test_repeated_edge_where_values_may_be_negative() -> None:
    count, ops = prepared(nn.Conv2d(2, 4, 1), nn.MaxPool2d(3, 2, 1), (2, 8, 8))
    assert count == 1
    assert "constant_pad_nd" not in ops


def test_one_axis_and_one_dimension() -> None:
    assert prepared(nn.Identity(), nn.MaxPool2d((3, 1), (2, 1), (1, 0)), (2, 8, 8))[0] == 1
    assert prepared(nn.Identity(), nn.MaxPool1d(3, 2, 1), (2, 9))[0] == 0  # as "SAME" pads
    assert prepared(nn.Identity(), nn.MaxPool1d(3, 2, 1), (2, 8))[0] == 1


def test_padding_that_tensorflow_calls_same_stays() -> None:
    assert prepared(nn.Identity(), nn.MaxPool2d(5, 1, 2), (2, 8, 8))[0] == 0
    assert prepared(nn.Identity(), nn.MaxPool2d(2), (2, 8, 8))[0] == 0


def test_dilation_needs_a_nonnegative_input() -> None:
    pool = nn.MaxPool2d(3, 2, 1, dilation=2)
    assert prepared(nn.ReLU6(), pool, (2, 9, 9))[0] == 1
    with pytest.raises(Refused, match="dilated max-pool"):
        prepared(nn.Identity(), pool, (2, 9, 9))


class Signs(nn.Module):
    """Values from a ReLU in several ways; only some stay non-negative."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x.relu()
        ways = {
            "sum": lambda: y + y * 2, "cat": lambda: torch.cat([y, x.sigmoid()], 1),
            "split": lambda: y.chunk(2, 1)[1], "clamp": lambda: x.clamp(0, 6),
            "minus": lambda: y - 1, "alpha": lambda: torch.add(y, y, alpha=-2),
            "shift": lambda: y + -1, "signed cat": lambda: torch.cat([y, x], 1),
            "low clamp": lambda: x.clamp(-1, 6), "scaled": lambda: y * -1,
        }  # fmt: skip
        return ways[self.kind]()


@pytest.mark.parametrize("kind", ["sum", "cat", "split", "clamp"])
def test_proved_nonnegative(kind: str) -> None:
    assert "constant_pad_nd" in prepared(Signs(kind), nn.MaxPool2d(3, 2, 1), (2, 8, 8))[1]


@pytest.mark.parametrize("kind", ["minus", "alpha", "shift", "signed cat", "low clamp", "scaled"])
def test_not_proved_nonnegative(kind: str) -> None:
    assert "constant_pad_nd" not in prepared(Signs(kind), nn.MaxPool2d(3, 2, 1), (2, 8, 8))[1]
