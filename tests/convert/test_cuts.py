"""A convolution that is cut behind itself pads less; where padding cannot say it, the cut stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from pipeline.convert.translate.fold import fold
from tests.convert.onnx_nodes import expected, lowered, model, stored

RNG = np.random.default_rng(0)
LINE = RNG.standard_normal((1, 4, 12)).astype(np.float32)
IMAGE = RNG.standard_normal((1, 4, 9, 10)).astype(np.float32)
WEIGHTS = {
    "w": RNG.standard_normal((5, 4, 3)).astype(np.float32),
    "v": RNG.standard_normal((5, 4, 3, 3)).astype(np.float32),
    "b": RNG.standard_normal(5).astype(np.float32),
    "t": RNG.standard_normal((4, 5, 3, 3)).astype(np.float32),
    **{name: RNG.random(5).astype(np.float32) + 0.5 for name in ("s", "m", "d")},
    **{f"n{number}": np.array([number]) for number in (-4, -2, -1, 0, 1, 2, 3, 5, 100)},
}  # fmt: skip


def node(op: str, *names: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, names[:-1], names[-1:], **attributes)


def cut(given: str, made: str, start: int, end: int, axis: int, step: int = 1) -> onnx.NodeProto:
    return node("Slice", given, *(f"n{n}" for n in (start, end, axis, step)), made)


CASES: dict[str, tuple[np.ndarray, list[onnx.NodeProto], bool]] = {
    "causal": (LINE, [
        node("Conv", "x", "w", "b", "c", pads=[4, 4], dilations=[2]), cut("c", "k", 0, -4, 2),
        node("Relu", "k", "y"),
    ], True),
    "before a norm and an activation": (LINE, [
        node("Conv", "x", "w", "c", pads=[2, 2]), node("BatchNormalization", "c", *"sbmd", "n"),
        node("Relu", "n", "r"), cut("r", "y", 0, -2, 2),
    ], True),
    "on both sides of one axis of an image": (IMAGE, [
        node("Conv", "x", "v", "c", pads=[1, 2, 1, 2]), cut("c", "y", 1, -1, 3),
    ], True),
    "with a stride": (IMAGE, [
        node("Conv", "x", "v", "c", pads=[2, 2, 2, 2], strides=[2, 2]), cut("c", "y", 1, 100, 2),
    ], True),
    "more than was padded": (IMAGE, [
        node("Conv", "x", "v", "c", pads=[1, 1, 1, 1]), cut("c", "y", 2, 100, 2),
    ], False),
    "into what was not padded": (IMAGE, [
        node("Conv", "x", "v", "c", pads=[1, 1, 1, 1]), cut("c", "y", 0, -4, 2),
    ], False),
    "of channels": (IMAGE, [
        node("Conv", "x", "v", "c", pads=[1] * 4), cut("c", "y", 1, 3, 1),
    ], False),
    "every second": (IMAGE, [
        node("Conv", "x", "v", "c", pads=[1] * 4), cut("c", "y", 0, 100, 2, 2)
    ], False),
    "that others read whole": (LINE, [
        node("Conv", "x", "w", "c", pads=[1, 1]), cut("c", "k", 0, -1, 2), node("Exp", "c", "z"),
        cut("z", "e", 1, 100, 2), node("Add", "k", "e", "y"),
    ], False),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_same_result_with_less_padding(name: str) -> None:
    x, nodes, goes = CASES[name]
    made = model(nodes, {"x": x}, WEIGHTS)
    (want,) = expected(made, {"x": x})
    (got,) = lowered(made, {"x": stored(x, list(range(x.ndim)))})
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)
    assert ("trim_convolutions" in fold(made)) is goes
    assert any(each.op_type == "Slice" for each in made.graph.node) is not goes


@pytest.mark.parametrize("extra", [[0, 0], [1, 1]])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 1, 1, 1]])
def test_a_transposed_convolution_is_activated_before_it_is_cropped(
    extra: list[int], pads: list[int]
) -> None:
    made = model([
        node("ConvTranspose", "x", "t", "b", "c", strides=[2, 2], pads=pads, output_padding=extra),
        node("Relu", "c", "y"),
    ], {"x": IMAGE}, WEIGHTS)  # fmt: skip
    (want,) = expected(made, {"x": IMAGE})
    (got,) = lowered(made, {"x": stored(IMAGE, (0, 2, 3, 1))})
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)
    assert fold(made) == {"activate_before_cropping": 1}


EARLIER: dict[str, tuple[list[onnx.NodeProto], bool]] = {
    "behind a pool": ([
        node("Conv", "x", "v", "b", "c", pads=[1] * 4),
        node("MaxPool", "c", "p", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4),
        node("Relu", "p", "y"),
    ], True),
    "behind two": ([
        node("Conv", "x", "v", "c"), node("GlobalMaxPool", "c", "p"), node("Flatten", "p", "f"),
        node("Relu", "f", "y"),
    ], True),
    "behind an average": ([
        node("Conv", "x", "v", "c"), node("GlobalAveragePool", "c", "p"), node("Relu", "p", "y"),
    ], False),
    "that others read before": ([
        node("Conv", "x", "v", "c"), node("GlobalMaxPool", "c", "p"), node("Relu", "p", "r"),
        node("Add", "p", "r", "y"),
    ], False),
}  # fmt: skip


@pytest.mark.parametrize("name", EARLIER)
def test_a_relu_goes_before_what_only_chooses(name: str) -> None:
    nodes, goes = EARLIER[name]
    made = model(nodes, {"x": IMAGE}, WEIGHTS)
    (want,) = expected(made, {"x": IMAGE})
    (got,) = lowered(made, {"x": stored(IMAGE, (0, 2, 3, 1))})
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)
    assert ("activate_before_choosing" in fold(made)) is goes
    (relu,) = [each for each in made.graph.node if each.op_type == "Relu"]
    assert (relu.input[0] == "c") is goes
