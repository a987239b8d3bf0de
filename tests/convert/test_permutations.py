"""An order of channels is in the weights beside it, or stays where it cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from pipeline.convert.translate.fold import fold
from tests.convert.onnx_nodes import expected, lowered, model, stored

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, 6, 8, 9)).astype(np.float32)
WEIGHTS = {
    "order": np.array([3, 0, 5, 1, -2, 2]), "few": np.array([3, 0, 5]),
    "start": np.array([-1]), "end": np.array([-(2**62)]), "axis": np.array([1]),
    "step": np.array([-1]), "mean": RNG.standard_normal((6, 1, 1)).astype(np.float32),
    **{name: RNG.standard_normal(shape).astype(np.float32) for name, shape in {
        "w": (6, 6, 1, 1), "v": (4, 6, 3, 3), "t": (6, 3, 2, 2), "d": (6, 1, 3, 3), "b": (6,),
        "g": (5, 6), "z": (2, 4, 1, 1),
    }.items()},
}  # fmt: skip


def gather(given: str, made: str) -> onnx.NodeProto:
    return helper.make_node("Gather", [given, "order"], [made], axis=1)


def conv(given: str, made: str, *weights: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node("Conv", [given, *weights], [made], **attributes)


def node(op: str, *names: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, names[:-1], names[-1:], **attributes)


FOLDED: dict[str, list[onnx.NodeProto]] = {
    "into the reader": [gather("x", "p"), conv("p", "y", "v")],
    "into two readers": [
        gather("x", "p"), conv("p", "a", "w", "b"), conv("p", "c", "w"), node("Add", "a", "c", "y")
    ],
    "into the reader behind pools and depthwise": [
        gather("x", "p"), node("Relu", "p", "r"), conv("r", "c", "d", "b", group=6),
        node("MaxPool", "c", "m", kernel_shape=[2, 2]), conv("m", "y", "v"),
    ],
    "into readers on two ways": [
        gather("x", "p"), conv("p", "c", "d", group=6, pads=[1, 1, 1, 1]), conv("c", "a", "v"),
        conv("p", "e", "v"), node("Add", "a", "e", "q"), conv("q", "y", "z"),
    ],
    "into a transposed one": [gather("x", "p"), node("ConvTranspose", "p", "t", "y")],
    "BGR before the mean is taken off": [
        node("Slice", "x", "start", "end", "axis", "step", "p"), node("Sub", "p", "mean", "s"),
        conv("s", "y", "v"),
    ],
    "into the writer": [conv("x", "c", "w", "b"), node("Relu", "c", "r"), gather("r", "y")],
    "into the writer before a depthwise": [
        conv("x", "c", "w"), conv("c", "e", "d", group=6), gather("e", "p"), node("Abs", "p", "y"),
    ],
    "into a linear layer": [
        node("ReduceMean", "x", "places", "m", keepdims=0), gather("m", "p"),
        node("Gemm", "p", "g", "y", transB=1),
    ],
}  # fmt: skip
KEPT: dict[str, list[onnx.NodeProto]] = {
    "another reads it": [gather("x", "p"), conv("p", "c", "w"), node("Add", "c", "p", "y")],
    "two groups": [gather("x", "p"), conv("p", "y", "half", group=2)],
    "the model's own output": [node("Relu", "x", "r"), gather("r", "y")],
    "a selection": [node("Gather", "x", "few", "p", axis=1), node("Relu", "p", "y")],
}
MORE = {"places": np.array([2, 3]), "half": RNG.standard_normal((4, 3, 1, 1)).astype(np.float32)}


def made(nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
    read = {name for one in nodes for name in one.input}
    return model(nodes, {"x": X}, {n: a for n, a in (WEIGHTS | MORE).items() if n in read})


@pytest.mark.parametrize("name", FOLDED)
def test_it_is_gone_and_the_answer_is_the_same(name: str) -> None:
    graph = made(FOLDED[name])
    (want,) = expected(graph, {"x": X})
    (got,) = lowered(graph, {"x": stored(X, (0, 2, 3, 1))})
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    assert fold(graph) == {"fold_permutations": 1}
    assert not {"Gather", "Slice"} & {one.op_type for one in graph.graph.node}


@pytest.mark.parametrize("name", KEPT)
def test_it_stays(name: str) -> None:
    graph = made(KEPT[name])
    (want,) = expected(graph, {"x": X})
    (got,) = lowered(graph, {"x": stored(X, (0, 2, 3, 1))})
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    assert fold(graph) == {}
