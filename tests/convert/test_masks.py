"""Padding masks as encoders write them: what no int8 scale can hold goes, the answer stays."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from pipeline.convert.translate.fold import fold
from tests.convert.onnx_nodes import expected, lowered, model, stored

SCORES = np.random.default_rng(0).standard_normal((1, 2, 4, 4)).astype(np.float32)
MASK = np.array([[1, 1, 1, 0]])
NODE = helper.make_node
SHAPE = {"axes": np.array([1, 2])}


def product(lowest: float) -> onnx.ModelProto:
    """(1 - mask) * lowest, as BERT."""
    nodes = [
        NODE("Cast", ["mask"], ["m"], to=onnx.TensorProto.FLOAT),
        NODE("Unsqueeze", ["m", "axes"], ["u"]),
        NODE("Sub", ["one", "u"], ["gone"]),
        NODE("Mul", ["gone", "lowest"], ["far"]),
        NODE("Add", ["scores", "far"], ["s"]),
        NODE("Softmax", ["s"], ["y"]),
    ]
    weights = {"one": np.float32([1]), "lowest": np.float32(lowest), **SHAPE}
    return model(nodes, {"scores": SCORES, "mask": MASK}, weights)


def choice(lowest: float) -> onnx.ModelProto:
    """-inf where there is padding and 0 elsewhere, added: torch's own attention."""
    nodes = [
        NODE("Equal", ["mask", "zero"], ["gone"]),
        NODE("Where", ["gone", "lowest", "nothing"], ["far"]),
        NODE("Unsqueeze", ["far", "axes"], ["u"]),
        NODE("Add", ["scores", "u"], ["s"]),
        NODE("Softmax", ["s"], ["y"]),
    ]
    weights = {
        "zero": np.int64([0]), "lowest": np.float32(lowest), "nothing": np.float32(0), **SHAPE
    }  # fmt: skip
    return model(nodes, {"scores": SCORES, "mask": MASK}, weights)


@pytest.mark.parametrize("lowest", [-1e9, float(np.finfo(np.float32).min)])
@pytest.mark.parametrize("make", [product, choice])
def test_a_mask_becomes_one_that_int8_holds(make: object, lowest: float) -> None:
    made = make(lowest)  # type: ignore[operator]
    given = {"scores": SCORES, "mask": MASK}
    values = {n: stored(a, range(a.ndim)) for n, a in given.items()}
    (want,), (got,) = expected(made, given), lowered(made, values)
    np.testing.assert_allclose(got, want, atol=1e-6)
    assert fold(made) == {"soften_masks": 1}


def test_a_number_that_is_no_mask_stays() -> None:
    """A float may be anything between 0 and 1, and what is no softmax's may need the number."""
    nodes = [NODE("Mul", ["x", "lowest"], ["f"]), NODE("Add", ["scores", "f"], ["s"])]
    x = np.float32([[0, 0, 0.5, 1]])
    weights = {"lowest": np.float32(-1e9)}
    made = model([*nodes, NODE("Softmax", ["s"], ["y"])], {"scores": SCORES, "x": x}, weights)
    assert not fold(made)
    cut = product(-1e9)
    cut.graph.node[-1].op_type = "Sigmoid"
    assert not fold(cut)
