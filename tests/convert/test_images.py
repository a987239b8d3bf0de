"""A linear layer that makes an image writes it channels last; for other readers it stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import helper

from pipeline.convert.translate.fold import fold
from pipeline.convert.translate.graph import build
from tests.convert.onnx_nodes import expected, model, stored

RNG = np.random.default_rng(0)
X = RNG.standard_normal((1, 5)).astype(np.float32)
WEIGHTS = {
    "w": RNG.standard_normal((24, 5)).astype(np.float32),
    "b": RNG.standard_normal(24).astype(np.float32),
    "t": RNG.standard_normal((5, 24)).astype(np.float32),
    "image": np.array([-1, 4, 2, 3]), "line": np.array([1, 4, 6]), "flat": np.array([1, -1]),
    "v": RNG.standard_normal((3, 4, 1, 1)).astype(np.float32),
    "l": RNG.standard_normal((3, 4, 1)).astype(np.float32),
}  # fmt: skip


def node(op: str, *names: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, names[:-1], names[-1:], **attributes)


TURNED = {
    "an image": [
        node("Gemm", "x", "w", "b", "g", transB=1), node("Reshape", "g", "image", "r"),
        node("Conv", "r", "v", "y"),
    ],
    "behind activations, for two": [
        node("Gemm", "x", "t", "g"), node("Relu", "g", "a"), node("Reshape", "a", "image", "r"),
        node("Exp", "r", "e"), node("Conv", "e", "v", "c"), node("Conv", "r", "v", "d"),
        node("Add", "c", "d", "y"),
    ],
    "a sequence": [
        node("Gemm", "x", "w", "g", transB=1), node("Reshape", "g", "line", "r"),
        node("Conv", "r", "l", "y"),
    ],
}  # fmt: skip
KEPT = {
    "rows for a matrix": [
        node("Gemm", "x", "w", "g", transB=1), node("Reshape", "g", "image", "r"),
        node("Reshape", "r", "flat", "f"), node("Add", "f", "b", "y"),
    ],
    "others read the rows": [
        node("Gemm", "x", "w", "g", transB=1), node("Reshape", "g", "image", "r"),
        node("Conv", "r", "v", "c"), node("ReduceMax", "g", "m", keepdims=0),
        node("Add", "c", "m", "y"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", [*TURNED, *KEPT])
def test_the_same_image_and_no_transpose(name: str) -> None:
    made = model((TURNED | KEPT)[name], {"x": X}, WEIGHTS)
    (want,) = expected(made, {"x": X})
    assert ("write_images_channels_last" in fold(made)) is (name in TURNED)

    @tf.function(autograph=False)
    def call() -> Any:
        (found,) = build(made, {"x": stored(X, (0, 1))})
        orders.append(found.to_onnx)
        return found.tensor

    orders: list[list[int]] = []
    kinds = [one.type for one in call.get_concrete_function().graph.get_operations()]
    np.testing.assert_allclose(call().numpy().transpose(orders[0]), want, rtol=1e-5, atol=1e-5)
    assert name in KEPT or "Transpose" not in kinds
