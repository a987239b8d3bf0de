"""What is put into a tensor at known places is cut and joined; nothing is scattered."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import helper

from pipeline.errors import Refused
from tests.convert.onnx_nodes import expected, lowered, model, stored

RNG = np.random.default_rng(0)
DATA = RNG.standard_normal((4, 6, 8, 10)).astype(np.float32)
ORDERS = [(0, 1, 2, 3), (0, 2, 3, 1), (3, 1, 0, 2)]


def node(op: str, index: Any, updates: np.ndarray, **attributes: Any) -> onnx.ModelProto:
    made = helper.make_node(op, ["data", "index", "updates"], ["y"], **attributes)
    inputs = {"data": DATA, "updates": updates}
    return model([made], inputs, {"index": np.asarray(index, np.int64)})


CASES: dict[str, tuple[str, Any, tuple[int, ...], dict[str, Any]]] = {
    "neighbours": ("ScatterND", [[1], [2]], (2, 6, 8, 10), {}),
    "apart, and counted from the end": ("ScatterND", [[3], [0], [-2]], (3, 6, 8, 10), {}),
    "two axes": ("ScatterND", [[[0, 1], [0, 2]], [[3, -1], [2, 2]]], (2, 2, 8, 10), {}),
    "many runs": ("ScatterND", [[i, 2 * j] for i in range(4) for j in range(3)], (12, 8, 10), {}),
    "sums": ("ScatterND", [[1], [3], [1]], (3, 6, 8, 10), {"reduction": "add"}),
    "along an axis": ("ScatterElements", np.broadcast_to(
        np.reshape([4, 0, -1], (1, 3, 1, 1)), (4, 3, 8, 10)), (4, 3, 8, 10), {"axis": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("order", ORDERS)
def test_it_answers_as_onnxruntime_does(name: str, order: tuple[int, ...]) -> None:
    op, index, shape, attributes = CASES[name]
    updates = RNG.standard_normal(shape).astype(np.float32)
    made, inputs = node(op, index, updates, **attributes), {"data": DATA, "updates": updates}
    own = order if updates.ndim == 4 else range(updates.ndim)
    given = {"data": stored(DATA, order), "updates": stored(updates, own)}
    (want,), (got,) = expected(made, inputs), lowered(made, given)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("order", ORDERS)
def test_one_computed_place_a_row(order: tuple[int, ...]) -> None:
    updates = RNG.standard_normal((4, 1, 8, 10)).astype(np.float32)
    nodes = [
        helper.make_node("ArgMax", ["data"], ["index"], axis=1),
        helper.make_node("ScatterElements", ["data", "index", "updates"], ["y"], axis=1),
    ]
    inputs = {"data": DATA, "updates": updates}
    given = {"data": stored(DATA, order), "updates": stored(updates, ORDERS[0])}
    (want,), (got,) = (
        expected(model(nodes, inputs, {}), inputs),
        lowered(model(nodes, inputs, {}), given),
    )
    np.testing.assert_array_equal(got, want)


def test_places_that_differ_from_row_to_row_are_refused() -> None:
    updates = RNG.standard_normal((4, 1, 8, 10)).astype(np.float32)
    made = node("ScatterElements", RNG.integers(0, 6, updates.shape), updates, axis=1)
    given = {"data": stored(DATA, ORDERS[0]), "updates": stored(updates, ORDERS[0])}
    with tf.Graph().as_default(), pytest.raises(Refused, match="differ from row to row"):
        lowered(made, given)
