"""Passes over the ONNX graph before it is lowered; each keeps the outputs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx

from pipeline.convert.translate import edit
from pipeline.convert.translate.broadcasts import leave_out_repeats
from pipeline.convert.translate.cuts import (
    activate_before_choosing,
    activate_before_cropping,
    trim_convolutions,
)
from pipeline.convert.translate.images import write_images_channels_last
from pipeline.convert.translate.masks import soften_masks
from pipeline.convert.translate.permutations import fold_permutations

Pass = Callable[[onnx.ModelProto], int]
NEXT_TO_NOTHING = 1e-5
LINEAR = {"Conv": 0, "ConvTranspose": 1}


def fold(model: onnx.ModelProto) -> dict[str, int]:
    """Apply every pass; {pass: how often it applied}."""
    counts = {apply.__name__: apply(model) for apply in PASSES}
    return {name: count for name, count in counts.items() if count}


def fold_batch_norms(model: onnx.ModelProto) -> int:
    """Batch norms into the convolution or linear layer before them, in float64.

    A factor a channel costs nothing there, and int8 weights have a scale a channel anyway.
    """
    return sum(_fold_one(model, node) for node in edit.of(model, "BatchNormalization"))


def fuse_gelus(model: onnx.ModelProto) -> int:
    """x (1 + erf(x / sqrt 2)) / 2, as exporters before opset 20 write it, into one Gelu."""
    return sum(_fuse_one(model, node) for node in edit.of(model, "Erf"))


def unshuffle_depths(model: onnx.ModelProto) -> int:
    """Torch's pixel shuffle behind a convolution: its channels in TensorFlow's order instead."""
    return sum(_unshuffle(model, node) for node in edit.of(model, "DepthToSpace"))


def fuse_l2_norms(model: onnx.ModelProto) -> int:
    """x / max(norm of x, next to nothing) into one LpNormalization: int8 divides badly."""
    return sum(_fuse_norm(model, node) for node in edit.of(model, "Div"))


PASSES: tuple[Pass, ...] = (
    trim_convolutions, fold_batch_norms, fold_permutations, fuse_gelus, fuse_l2_norms,
    unshuffle_depths, activate_before_choosing, activate_before_cropping,
    write_images_channels_last, leave_out_repeats, soften_masks,
)  # fmt: skip


def _fold_one(model: onnx.ModelProto, norm: onnx.NodeProto) -> bool:
    before = edit.maker(model, norm.input[0])
    constants = [edit.constant(model, name) for name in norm.input[1:]]
    if (
        before is None
        or len(edit.users(model, norm.input[0])) > 1
        or any(c is None for c in constants)
    ):
        return False
    scale, shift, mean, variance = (np.asarray(c, np.float64) for c in constants)
    factor = scale / np.sqrt(variance + edit.attribute(norm, "epsilon", 1e-5))
    if not _scale(model, before, factor, shift - mean * factor):
        return False
    edit.bypass(model, norm, before)
    return True


def _scale(
    model: onnx.ModelProto, node: onnx.NodeProto, factor: np.ndarray, summand: np.ndarray
) -> bool:
    """Give a layer's output channels a factor and a summand; False if its weights are unknown."""
    weights = edit.constant(model, node.input[1]) if len(node.input) > 1 else None
    bias = (
        edit.constant(model, node.input[2])
        if len(node.input) > 2 and node.input[2]
        else np.zeros(1)
    )
    plain = edit.attribute(node, "alpha", 1.0) == edit.attribute(node, "beta", 1.0) == 1.0
    if weights is None or bias is None or node.op_type not in (*LINEAR, "Gemm") or not plain:
        return False
    if node.op_type == "Gemm":
        shaped = factor[:, None] if edit.attribute(node, "transB", 0) else factor
    elif node.op_type == "Conv":
        shaped = factor.reshape(-1, *[1] * (weights.ndim - 1))
    else:
        groups = int(edit.attribute(node, "group", 1))
        rows = factor.reshape(groups, 1, -1).repeat(weights.shape[0] // groups, 1)
        shaped = rows.reshape(weights.shape[0], -1, *[1] * (weights.ndim - 2))
    node.input[1] = edit.store(model, "folded_weight", weights * shaped)
    made = edit.store(model, "folded_bias", bias.astype(np.float64) * factor + summand)
    node.input[2:] = [made]
    return True


def _fuse_one(model: onnx.ModelProto, erf: onnx.NodeProto) -> bool:
    """Find x through the division before, and the last product after, in any order of factors."""
    divide = edit.maker(model, erf.input[0])
    if divide is None or divide.op_type not in ("Div", "Mul"):
        return False
    source, number = _with_number(model, divide)
    wanted = math.sqrt(2) if divide.op_type == "Div" else math.sqrt(0.5)
    if source is None or number is None or abs(number - wanted) > 1e-4:
        return False
    nodes, name, factor, seen = [divide, erf], erf.output[0], 1.0, Counter[str]()
    while len(users := edit.users(model, name)) == 1 and (node := users[0]) is not None:
        _other, number = _with_number(model, node)
        if node.op_type == "Add" and number == 1 and not seen:
            seen["add"] += 1
        elif node.op_type == "Mul" and number is not None:
            factor, seen["mul"] = factor * number, 1
        elif node.op_type == "Mul" and _times(model, node, source, name) is not None:
            factor *= _times(model, node, source, name) or 1.0
            seen["x"] += 1
        else:
            break
        nodes.append(node)
        name = node.output[0]
        if seen["add"] and seen["x"] and abs(factor - 0.5) < 1e-6:
            return _replace_gelu(model, nodes, source, name)
    return False


def _times(model: onnx.ModelProto, node: onnx.NodeProto, source: str, name: str) -> float | None:
    """The factor of x in the other operand of a product: x itself, or x times a number."""
    others = [read for read in node.input if read != name]
    if others == [source]:
        return 1.0
    maker = edit.maker(model, others[0]) if len(others) == 1 else None
    if maker is None or maker.op_type != "Mul":
        return None
    inner, number = _with_number(model, maker)
    return number if inner == source else None


def _with_number(model: onnx.ModelProto, node: onnx.NodeProto) -> tuple[str | None, float | None]:
    """The tensor and the number that a node of two inputs takes."""
    for index in (0, 1) if len(node.input) == 2 else ():
        number = edit.constant(model, node.input[index])
        if number is not None and number.size == 1 and (index == 1 or node.op_type != "Div"):
            return node.input[1 - index], float(number.ravel()[0])
    return None, None


def _replace_gelu(
    model: onnx.ModelProto, nodes: list[onnx.NodeProto], source: str, name: str
) -> bool:
    made = onnx.helper.make_node("Gelu", [source], [name], name=nodes[-1].name)
    place = next(
        i for i, node in enumerate(model.graph.node) if node is nodes[-1] or node == nodes[-1]
    )
    for node in nodes[1:]:
        model.graph.node.remove(node)
    model.graph.node.insert(place - len(nodes) + 2, made)
    return True


def _fuse_norm(model: onnx.ModelProto, divide: onnx.NodeProto) -> bool:
    maker = edit.maker(model, divide.input[1])
    if maker is not None and maker.op_type == "Expand":
        maker = edit.maker(model, maker.input[0])
    if maker is None or maker.op_type not in ("Clip", "Max") or len(maker.input) != 2:
        return False
    norm, least = _with_number(model, maker)
    reduce = edit.maker(model, norm) if norm else None
    if reduce is None or reduce.op_type != "ReduceL2" or reduce.input[0] != divide.input[0]:
        return False
    axes = edit.constant(model, reduce.input[1]) if len(reduce.input) > 1 else None
    kept = edit.attribute(reduce, "keepdims", 1) == 1
    if axes is None or axes.size != 1 or not kept or least is None or least > NEXT_TO_NOTHING:
        return False
    divide.op_type = "LpNormalization"
    del divide.input[1:]
    divide.attribute.append(onnx.helper.make_attribute("axis", int(axes.ravel()[0])))
    return True


def _unshuffle(model: onnx.ModelProto, shuffle: onnx.NodeProto) -> bool:
    conv = edit.maker(model, shuffle.input[0])
    modes = [a for a in shuffle.attribute if a.name == "mode"]
    if conv is None or conv.op_type != "Conv" or not modes or modes[0].s != b"CRD":
        return False
    weights = edit.constant(model, conv.input[1])
    bias = edit.constant(model, conv.input[2]) if len(conv.input) > 2 else None
    if (
        weights is None
        or edit.attribute(conv, "group", 1) != 1
        or len(edit.users(model, shuffle.input[0])) > 1
    ):
        return False
    block = int(edit.attribute(shuffle, "blocksize", 1))
    order = np.arange(len(weights)).reshape(-1, block, block).transpose(1, 2, 0).ravel()
    conv.input[1] = edit.store(model, "shuffled_weight", weights[order])
    if bias is not None:
        conv.input[2] = edit.store(model, "shuffled_bias", bias[order])
    modes[0].s = b"DCR"
    return True
