"""Masks of attention: numbers that no int8 scale can hold become ones that do the same."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

from pipeline.convert.translate import edit

NEVER, SOFT = -1e4, -40.0
MOVES = frozenset({"Unsqueeze", "Squeeze", "Reshape", "Expand", "Identity", "Transpose", "Slice"})
COMPARES = frozenset({"Equal", "Not", "And", "Or", "Greater", "GreaterOrEqual", "Less"})


def soften_masks(model: onnx.ModelProto) -> int:
    """Minus infinity in front of a softmax becomes -40: an int8 scale must hold it.

    exp(-40) is 4e-18, below what float32 can add to a softmax's other terms.
    """
    found = sum(_soften(model, node) for op in ("Add", "Where") for node in edit.of(model, op))
    return found + sum(_soften_factor(model, node) for node in edit.of(model, "Mul"))


def _soften(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    if not (_is_read_by_softmax(model, node.output[0]) or _masks(model, node.output[0])):
        return False
    for index, name in enumerate(node.input):
        mask = edit.constant(model, name)
        if mask is not None and mask.dtype.kind == "f" and bool(np.any(mask <= NEVER)):
            node.input[index] = edit.store(model, "mask", np.where(mask <= NEVER, SOFT, mask))
            return True
    return False


def _soften_factor(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    """(1 - mask) * lowest, as encoders make their padding mask: the factor is 0 or 1."""
    for index, name in enumerate(node.input):
        mask = edit.constant(model, name)
        if mask is None or mask.size != 1 or not float(mask.ravel()[0]) <= NEVER:
            continue
        if _is_zero_or_one(model, node.input[1 - index]) and _masks(model, node.output[0]):
            node.input[index] = edit.store(model, "mask", np.full_like(mask, SOFT))
            return True
    return False


def _masks(model: onnx.ModelProto, name: str) -> bool:
    """Whether a tensor is only added to what a softmax reads."""
    readers = edit.users(model, name)
    if not readers or None in readers:
        return False
    for user in readers:
        assert user is not None
        if user.op_type == "Add":
            if not _is_read_by_softmax(model, user.output[0]):
                return False
        elif user.op_type not in MOVES or not _masks(model, user.output[0]):
            return False
    return True


def _is_read_by_softmax(model: onnx.ModelProto, name: str) -> bool:
    readers = edit.users(model, name)
    return bool(readers) and all(each is not None and each.op_type == "Softmax" for each in readers)


def _is_zero_or_one(model: onnx.ModelProto, name: str) -> bool:
    """Whether a tensor is a mask, or 1 less a mask: an integer input, or what compares."""
    maker = edit.maker(model, name)
    if maker is None:
        kinds = {info.name: info.type.tensor_type.elem_type for info in model.graph.input}
        return kinds.get(name) in (TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL)
    if maker.op_type == "Sub":
        one = edit.constant(model, maker.input[0])
        whole = one is not None and bool(np.all(one == 1))
        return whole and _is_zero_or_one(model, maker.input[1])
    if maker.op_type in MOVES or maker.op_type == "Cast":
        return _is_zero_or_one(model, maker.input[0])
    return maker.op_type in COMPARES
