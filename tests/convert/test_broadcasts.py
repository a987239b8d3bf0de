"""Repeating goes where an operator broadcasts anyway, and stays where it gives the shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from pipeline.convert.translate.fold import fold
from tests.convert.onnx_nodes import expected, lowered, model, stored

X = np.random.default_rng(0).standard_normal((1, 4, 5, 6)).astype(np.float32)
WEIGHTS = {
    "axes": np.array([2, 3]), "shape": np.array([1, 4, 5, 6]), "times": np.array([1, 1, 5, 6]),
    "twice": np.array([1, 2, 1, 1]),
}  # fmt: skip


def node(op: str, *names: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, names[:-1], names[-1:], **attributes)


GATE = [node("ReduceMean", "x", "axes", "m"), node("Sigmoid", "m", "s")]
CASES: dict[str, tuple[list[onnx.NodeProto], bool, int]] = {
    "expand": ([*GATE, node("Expand", "s", "shape", "e"), node("Mul", "x", "e", "y")], True, 0),
    "tile": ([*GATE, node("Tile", "s", "times", "e"), node("Sub", "e", "x", "y")], True, 0),
    "also read by another": ([
        *GATE, node("Expand", "s", "shape", "e"), node("Mul", "x", "e", "p"),
        node("Concat", "p", "e", "y", axis=1),
    ], True, 1),
    "both repeated": ([
        *GATE, node("Expand", "s", "shape", "e"), node("Expand", "m", "shape", "f"),
        node("Add", "e", "f", "y"),
    ], True, 1),
    "a copy of channels": ([
        node("Tile", "x", "twice", "e"), node("Tile", "x", "twice", "f"), node("Add", "e", "f", "y")
    ], False, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_same_result_with_fewer_copies(name: str) -> None:
    nodes, goes, left = CASES[name]
    made = model(nodes, {"x": X}, WEIGHTS)
    (want,) = expected(made, {"x": X})
    (got,) = lowered(made, {"x": stored(X, (0, 2, 3, 1))})
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    assert ("leave_out_repeats" in fold(made)) is goes
    assert sum(each.op_type in ("Expand", "Tile") for each in made.graph.node) == left
