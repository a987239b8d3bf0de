"""One ONNX node, lowered from any memory order, beside what onnxruntime makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
from onnx import helper, numpy_helper

from pipeline.convert.translate.fold import fold
from pipeline.convert.translate.graph import Output, build
from pipeline.convert.translate.strides import Layout
from pipeline.convert.translate.value import Value

OPSET = 20


def model(
    nodes: Sequence[onnx.NodeProto], inputs: dict[str, np.ndarray], weights: dict[str, np.ndarray],
    outputs: Sequence[str] = ("y",), opset: int = OPSET,
) -> onnx.ModelProto:  # fmt: skip
    infos = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for n, a in inputs.items()
    ]
    made = helper.make_graph(
        list(nodes), "test", infos,
        [helper.make_value_info(name, onnx.TypeProto()) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )  # fmt: skip
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def expected(made: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(made.SerializeToString(), options).run(None, inputs)


def stored(array: np.ndarray, order: Sequence[int]) -> Value:
    """The array with its memory axes in `order`."""
    tensor = tf.constant(np.ascontiguousarray(array.transpose(order)))
    return Value(tensor, Layout.stored(array.shape, order))


def lowered(made: onnx.ModelProto, inputs: dict[str, Value]) -> list[np.ndarray]:
    copy = onnx.ModelProto()
    copy.CopyFrom(made)
    fold(copy)
    return [answer(output) for output in build(copy, inputs)]


def answer(output: Output) -> np.ndarray:
    return np.asarray(output.tensor).transpose(output.to_onnx)


def check(
    op: str, inputs: Sequence[np.ndarray], orders: Sequence[Sequence[int]],
    weights: Sequence[np.ndarray | None] = (), outputs: int = 1, **attributes: Any,
) -> None:  # fmt: skip
    """A node gives what onnxruntime gives, whatever memory order its inputs have."""
    given = {f"x{i}": array for i, array in enumerate(inputs)}
    constants = {f"w{i}": array for i, array in enumerate(weights) if array is not None}
    names = [*given, *(f"w{i}" if array is not None else "" for i, array in enumerate(weights))]
    produced = [f"y{i}" for i in range(outputs)]
    made = model([helper.make_node(op, names, produced, **attributes)], given, constants, produced)
    values = {n: stored(a, o) for (n, a), o in zip(given.items(), orders, strict=True)}
    for want, got in zip(expected(made, given), lowered(made, values), strict=True):
        assert got.shape == want.shape
        np.testing.assert_allclose(got.astype(want.dtype), want, rtol=2e-5, atol=2e-5)
