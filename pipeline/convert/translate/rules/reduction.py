"""Reductions over any axes, wherever they lie."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.convert.translate.align import like
from pipeline.convert.translate.node import Node, axis_of, rule
from pipeline.convert.translate.rules.linear import contracted
from pipeline.convert.translate.strides import Layout, Piece
from pipeline.convert.translate.value import Value, exposed, shaped, tf_shape

REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceMean": tf.reduce_mean, "ReduceSum": tf.reduce_sum, "ReduceMax": tf.reduce_max,
    "ReduceMin": tf.reduce_min, "ReduceProd": tf.reduce_prod,
}  # fmt: skip


def reduced(function: Callable[..., Any], value: Value, axes: Collection[int]) -> Value:
    """`function` over logical axes, which stay with length 1."""
    value, pieces = value.pieces()
    shape, groups = _split(value, pieces, axes)
    over = [index for index, gone in enumerate(groups) if gone]
    tensor = shaped(value.tensor, shape)
    made = function(tensor, axis=over, keepdims=True) if over else tensor
    logical = [1 if axis in axes else size for axis, size in enumerate(value.shape)]
    return Value(made, Layout.of(logical, [p for p in pieces if p.axis not in axes]))


def _split(
    value: Value, pieces: list[Piece], axes: Collection[int]
) -> tuple[list[int], list[bool]]:
    """A TensorFlow shape whose axes are reduced wholly or not at all: its own if that is one."""
    groups, at = [], 0
    shape = tf_shape(value.tensor)
    for length in shape:
        start, size = at, 1
        while size < length and at < len(pieces):
            size, at = size * pieces[at].size, at + 1
        kinds = {p.axis in axes for p in pieces[start:at]}
        if size != length or len(kinds) > 1:
            break
        groups.append(kinds == {True})
    else:
        return shape, groups
    runs: list[tuple[int, bool]] = []
    for piece in pieces:
        gone = piece.axis in axes
        if runs and runs[-1][1] == gone:
            runs[-1] = (runs[-1][0] * piece.size, gone)
        else:
            runs.append((piece.size, gone))
    return [size for size, _ in runs], [gone for _, gone in runs]


def squeezed(value: Value, axes: Collection[int]) -> Value:
    """Without axes of length 1."""
    return value.reshaped([n for axis, n in enumerate(value.shape) if axis not in axes])


def _axes(node: Node, rank: int) -> list[int]:
    given = node.numbers(1, "axes")
    if given is None or not given:
        return [] if node.get("noop_with_empty_axes") else list(range(rank))
    return [axis_of(axis, rank) for axis in given]


@rule(*REDUCTIONS)
def reduction(node: Node) -> Value:
    """With or without the axes kept at length 1."""
    value = node.value()
    axes = _axes(node, len(value.shape))
    made = reduced(REDUCTIONS[node.op], value, axes)
    made = replace(made, nonnegative=value.nonnegative)
    return made if node.get("keepdims", 1) else squeezed(made, axes)


@rule("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp")
def norm(node: Node) -> Value:
    """Sums of a function, and a function of the sum. Squares are products: int8 has no SQUARE."""
    value = node.value()
    axes = _axes(node, len(value.shape))
    if node.op == "ReduceLogSumExp":
        made = reduced(tf.reduce_logsumexp, value, axes)
    else:
        first = {"ReduceL1": tf.abs, "ReduceLogSum": tf.identity}.get(node.op, lambda x: x * x)
        made = reduced(tf.reduce_sum, like(value, first(value.tensor)), axes)
        then = {"ReduceL2": tf.sqrt, "ReduceLogSum": tf.math.log}.get(node.op)
        made = like(made, then(made.tensor)) if then else made
    made = replace(made, nonnegative=not node.op.startswith("ReduceLog"))
    return made if node.get("keepdims", 1) else squeezed(made, axes)


@rule("ArgMax", "ArgMin")
def index_of(node: Node) -> Value:
    """The index of the largest or smallest element, as int32."""
    value = node.value()
    axis = axis_of(node.get("axis", 0), len(value.shape))
    value, at = exposed(value, axis)
    function = tf.argmax if node.op == "ArgMax" else tf.argmin
    made = function(value.tensor, axis=at, output_type=tf.int32)
    pieces = value.pieces()[1]
    shape = [1 if a == axis else size for a, size in enumerate(value.shape)]
    found = Value(made, Layout.of(shape, [p for p in pieces if p.axis != axis]))
    return found if node.get("keepdims", 1) else squeezed(found, [axis])


@rule("CumSum")
def running_sum(node: Node) -> Value:
    """A product with a triangle of ones: TFLite's own operator has no int8 form.

    Integers (places that a mask counts) take that operator: they have no int8 form anyway.
    """
    value = node.value()
    axis = axis_of(int(node.constant(1).ravel()[0]), len(value.shape))
    if value.tensor.dtype.is_integer:
        value, at = exposed(value, axis)
        how = {name: bool(node.get(name)) for name in ("exclusive", "reverse")}
        return replace(value, tensor=tf.cumsum(value.tensor, at, **how))
    size = value.shape[axis]
    ones = np.triu(np.ones((size, size), np.float32), 1 if node.get("exclusive") else 0)
    return contracted(value, axis, ones.T if node.get("reverse") else ones, None)
