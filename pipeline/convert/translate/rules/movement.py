"""Operators that only rename places: all of them are changes of the layout."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import tensorflow as tf

from pipeline.convert.translate.align import elementwise
from pipeline.convert.translate.node import Node, axis_of, rule
from pipeline.convert.translate.strides import Layout
from pipeline.convert.translate.value import (
    Value,
    arranged,
    from_channels_last,
    memory_order_of,
    shaped,
)


@rule("Reshape")
def reshape(node: Node) -> Value:
    """0 copies a length, -1 is what remains."""
    value, wanted = node.value(), [int(n) for n in node.constant(1).ravel()]
    if not node.get("allowzero"):
        wanted = [value.shape[axis] if n == 0 else n for axis, n in enumerate(wanted)]
    if -1 in wanted:
        rest = math.prod(n for n in wanted if n != -1)
        wanted[wanted.index(-1)] = math.prod(value.shape) // rest
    return value.reshaped(wanted)


@rule("Flatten")
def flatten(node: Node) -> Value:
    """Two axes."""
    value = node.value()
    axis = axis_of(node.get("axis", 1), len(value.shape))
    return value.reshaped([math.prod(value.shape[:axis]), math.prod(value.shape[axis:])])


@rule("Transpose")
def transpose(node: Node) -> Value:
    """Without an order: reversed."""
    value = node.value()
    return value.permuted(node.get("perm") or list(range(len(value.shape)))[::-1])


@rule("Squeeze")
def squeeze(node: Node) -> Value:
    """Axes of length 1, all or those given."""
    value, rank = node.value(), len(node.value().shape)
    given = node.numbers(1, "axes")
    axes = (
        [axis_of(a, rank) for a in given]
        if given
        else [a for a in range(rank) if value.shape[a] == 1]
    )
    return value.reshaped([n for axis, n in enumerate(value.shape) if axis not in axes])


@rule("Unsqueeze")
def unsqueeze(node: Node) -> Value:
    """Axes of length 1 at these places of the result."""
    value, given = node.value(), node.numbers(1, "axes") or []
    rank = len(value.shape) + len(given)
    axes, lengths = {axis_of(axis, rank) for axis in given}, iter(value.shape)
    return value.reshaped([1 if axis in axes else next(lengths) for axis in range(rank)])


@rule("Expand")
def expand(node: Node) -> Value:
    """Broadcast to a shape; nothing to do where it has it."""
    value = node.value()
    shape = np.broadcast_shapes(value.shape, tuple(int(n) for n in node.constant(1)))
    value = value.reshaped((1,) * (len(shape) - len(value.shape)) + value.shape)
    return repeated(value, [n // m for n, m in zip(shape, value.shape, strict=True)])


@rule("Tile")
def tile(node: Node) -> Value:
    """Copies along each axis."""
    return repeated(node.value(), [int(n) for n in node.constant(1)])


def repeated(value: Value, times: list[int]) -> Value:
    """Copies along each axis, by one TILE over axes in memory order."""
    if all(n == 1 for n in times):
        return value
    shape = [n * t for n, t in zip(value.shape, times, strict=True)]
    order = memory_order_of(value)
    floats = not value.is_constant and value.tensor.dtype == tf.float32
    if floats and all(n == 1 or t == 1 for n, t in zip(value.shape, times, strict=True)):
        zeros = np.zeros([shape[axis] for axis in order], np.float32)
        whole = elementwise(tf.add, value, Value(zeros, Layout.stored(shape, order)))
        return replace(whole, nonnegative=value.nonnegative)
    value = arranged(value, order)
    tensor = shaped(value.tensor, [value.shape[axis] for axis in order])
    made = tf.tile(tensor, [times[axis] for axis in order])
    return Value(made, Layout.stored(shape, order), value.nonnegative)


@rule("DepthToSpace")
def depth_to_space(node: Node) -> Value:
    """Channels (block, block, c), or (c, block, block) in torch's mode, into the image."""
    value, block = node.value(), node.get("blocksize")
    n, c, h, w = value.shape
    each = c // block**2
    if node.get("mode", "DCR") == "DCR":
        x = shaped(arranged(value, [0, 2, 3, 1]).tensor, [n, h, w, c])
        return from_channels_last(tf.nn.depth_to_space(x, block), nonnegative=value.nonnegative)
    cut = value.reshaped([n, each, block, block, h, w]).permuted([0, 1, 4, 2, 5, 3])
    return cut.reshaped([n, each, h * block, w * block])


@rule("SpaceToDepth")
def space_to_depth(node: Node) -> Value:
    """Blocks of the image into channels (block, block, c)."""
    value, block = node.value(), node.get("blocksize")
    n, c, h, w = value.shape
    cut = value.reshaped([n, c, h // block, block, w // block, block])
    return cut.permuted([0, 3, 5, 1, 2, 4]).reshaped([n, c * block**2, h // block, w // block])
