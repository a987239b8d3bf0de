"""Parts of a tensor, and tensors put together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.convert.translate.align import elementwise
from pipeline.convert.translate.node import Node, axis_of, rule
from pipeline.convert.translate.rules.pool import repeated_edge, within
from pipeline.convert.translate.strides import Layout, Piece, refined, whole
from pipeline.convert.translate.value import (
    Value,
    arranged,
    exposed,
    memory_order_of,
    moved,
    plain,
    shaped,
    tf_shape,
)

ENOUGH = 1 << 40
MOST_AT_ONCE = 4  # tensors that XNNPACK splits or joins; more break the graph in pieces


def resized(value: Value, tensor: Any, axis: int, size: int) -> Value:
    """`value`, whose axis lies whole in memory, after an operator that changed its length."""
    pieces = value.pieces()[1]
    shape = [size if a == axis else n for a, n in enumerate(value.shape)]
    own = whole(shape, axis)
    at = next((i for i, p in enumerate(pieces) if p.axis == axis), len(pieces))
    others = [p for p in pieces if p.axis != axis]
    return Value(tensor, Layout.of(shape, [*others[:at], *own, *others[at:]]), value.nonnegative)


@rule("Slice")
def cut(node: Node) -> Value:
    """Starts, ends, axes and steps, as inputs or (before opset 10) attributes."""
    value = node.value()
    starts, ends = node.numbers(1, "starts") or [], node.numbers(2, "ends") or []
    axes = node.numbers(3, "axes") or list(range(len(starts)))
    steps = node.numbers(4, "steps") or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = axis_of(axis, len(value.shape))
        chosen = range(
            *slice(start, end if abs(end) < ENOUGH else None, step).indices(value.shape[axis])
        )
        value = part(value, axis, chosen)
    return value


def part(value: Value, axis: int, chosen: range) -> Value:
    """The places `chosen` along an axis."""
    if chosen == range(value.shape[axis]):
        return value
    if not chosen:
        return Value.constant(
            np.zeros([0 if a == axis else n for a, n in enumerate(value.shape)], np.float32)
        )
    aligned = _aligned(value, axis, chosen)
    if aligned is not None:
        return aligned
    value, at = exposed(value, axis)
    if chosen.step < 0:
        flipped = replace(value, tensor=tf.reverse(value.tensor, [at]))
        last = value.shape[axis] - 1
        start, end = last - chosen.start, last - chosen[-1] + 1
        return part(flipped, axis, range(start, end, -chosen.step))
    made = within(value.tensor, at, chosen.start, chosen[-1] + 1, chosen.step)
    return resized(value, made, axis, len(chosen))


def _aligned(value: Value, axis: int, chosen: range) -> Value | None:
    """A part of an axis that lies in several pieces, cut from its outermost piece alone.

    So half of shuffled channels is taken without putting them in order first.
    """
    value, pieces = value.pieces()
    own = [p for p in pieces if p.axis == axis]
    if len(own) < 2 or chosen.step != 1:
        return None
    outer = max(own, key=lambda p: p.stride)
    start, odd = divmod(chosen.start, outer.stride)
    count, rest = divmod(len(chosen), outer.stride)
    if odd or rest:
        return None
    at = pieces.index(outer)
    before, after = (math.prod(p.size for p in side) for side in (pieces[:at], pieces[at + 1 :]))
    x = within(shaped(value.tensor, [before, outer.size, after]), 1, start, start + count)
    shape = [len(chosen) if a == axis else n for a, n in enumerate(value.shape)]
    kept = [Piece(axis, count, outer.stride)] if count > 1 else []
    layout = Layout.of(shape, [*pieces[:at], *kept, *pieces[at + 1 :]])
    return Value(x, layout, value.nonnegative)


@rule("Split")
def split(node: Node) -> Sequence[Value]:
    """Into parts of given lengths, or a number of nearly equal ones."""
    value = node.value()
    axis = axis_of(node.get("axis", 0), len(value.shape))
    size, count = value.shape[axis], len(node.outputs)
    each = -(-size // node.get("num_outputs", count))
    lengths = node.numbers(1, "split") or [min(each, size - at) for at in range(0, size, each)]
    pieces = value.pieces()[1]
    together = sum(p.axis == axis for p in pieces) > 1
    if len(set(lengths)) > 1 or together or len(lengths) > MOST_AT_ONCE:
        ends = list(itertools.accumulate(lengths))
        return [
            part(value, axis, range(end - n, end)) for n, end in zip(lengths, ends, strict=True)
        ]
    value, at = exposed(value, axis)
    parts = tf.split(value.tensor, len(lengths), at)
    return [resized(value, p, axis, n) for p, n in zip(parts, lengths, strict=True)]


@rule("Concat")
def concat(node: Node) -> Value:
    """In the memory order of the largest one that is no constant."""
    values = [v for v in node.inputs if v is not None and 0 not in v.shape]
    axis = axis_of(node.get("axis"), len(node.value().shape))
    return joined(values, axis)


def joined(values: Sequence[Value], axis: int) -> Value:
    """Values one after the other along an axis."""
    if len(values) == 1:
        return values[0]
    rank = [(not value.is_constant, math.prod(value.shape)) for value in values]
    lead = rank.index(max(rank))
    values, others, at = _same_order(values, values[lead], axis)
    shape = list(values[lead].shape)
    shape[axis] = sum(value.shape[axis] for value in values)
    before, after = others[:at], others[at:]
    tensors, index = _tensors(values, lead, axis, before, after)
    layout = Layout.of(shape, [*before, *whole(shape, axis), *after])
    return Value(_concat(tensors, index), layout, all(value.nonnegative for value in values))


def _concat(tensors: Sequence[Any], axis: int) -> Any:
    while len(tensors) > MOST_AT_ONCE:
        groups = [tensors[i : i + MOST_AT_ONCE] for i in range(0, len(tensors), MOST_AT_ONCE)]
        tensors = [tf.concat(each, axis) if len(each) > 1 else each[0] for each in groups]
    return tf.concat(tensors, axis)


def _place(order: Sequence[Piece], axis: int, rank: int) -> int:
    """Where an axis goes that had length 1: channels last in an image, else as the shape has it."""
    if axis == 1 and rank > 3:
        return len(order)
    return next((i for i, p in enumerate(order) if p.axis > axis), len(order))


def _same_order(
    values: Sequence[Value], lead: Value, axis: int
) -> tuple[list[Value], list[Piece], int]:
    """All values with their other axes as the lead has them, these, and the place of `axis`."""
    order = exposed(lead, axis)[0].pieces()[1]
    others = [p for p in order if p.axis != axis]
    at = next((i for i, p in enumerate(order) if p.axis == axis), None)
    at = _place(others, axis, len(lead.shape)) if at is None else at
    cuts: dict[int, list[int]] = {}
    for piece in others:
        cuts.setdefault(piece.axis, []).append(piece.stride)
    found = []
    for value in values:
        value = exposed(value, axis)[0]
        pieces = refined(value.pieces()[1], cuts)
        own = whole(value.shape, axis)
        wanted = [*others[:at], *own, *others[at:]]
        if pieces is None or sorted(map(_key, pieces)) != sorted(map(_key, wanted)):
            return _plain_order(values, axis)
        found.append(moved(value, pieces, wanted))
    return found, others, at


def _key(piece: Piece) -> tuple[int, int, int]:
    return piece.axis, piece.size, piece.stride


def _plain_order(values: Sequence[Value], axis: int) -> tuple[list[Value], list[Piece], int]:
    shape = values[0].shape
    others = [p for a in range(len(shape)) if a != axis for p in whole(shape, a)]
    at = sum(p.axis < axis for p in others)
    return [plain(value) for value in values], others, at


def _tensors(
    values: Sequence[Value], lead: int, axis: int, before: list[Piece], after: list[Piece]
) -> tuple[list[Any], int]:
    """TensorFlow tensors that differ in one axis only, in the lead's own shape if it has one."""
    front, back = (math.prod(p.size for p in part) for part in (before, after))
    shape, size = tf_shape(values[lead].tensor), values[lead].shape[axis]
    for index, length in enumerate(shape):
        if length == size and math.prod(shape[:index]) == front:
            ends = shape[:index], shape[index + 1 :]
            break
    else:
        index, ends = 1, ([front], [back])
    return [shaped(v.tensor, [*ends[0], v.shape[axis], *ends[1]]) for v in values], index


@rule("Gather")
def gather(node: Node) -> Value:
    """By constant indices: a part where they are evenly spaced, a layout where they are shuffled
    evenly; else by a table lookup."""
    value, index = node.value(0), node.value(1)
    axis = axis_of(node.get("axis", 0), len(value.shape))
    if not index.is_constant:
        return _lookup(value, index, axis)
    wanted = index.array()
    numbers = [int(n) + (value.shape[axis] if n < 0 else 0) for n in wanted.ravel()]
    shape = [*value.shape[:axis], *wanted.shape, *value.shape[axis + 1 :]]
    steps = {b - a for a, b in itertools.pairwise(numbers)} or {1}
    if len(steps) == 1 and steps != {0}:
        step = steps.pop()
        chosen = range(numbers[0], numbers[-1] + (1 if step > 0 else -1), step)
        return part(value, axis, chosen).reshaped(shape)
    if (groups := _shuffled(numbers, value.shape[axis])) > 1:
        return _shuffle(value, axis, groups).reshaped(shape)
    value, at = exposed(value, axis)
    made = tf.gather(value.tensor, np.asarray(numbers, np.int32), axis=at)
    return resized(value, made, axis, len(numbers)).reshaped(shape)


def _shuffled(numbers: Sequence[int], size: int) -> int:
    """How many groups, each in its order, take turns in `numbers`; 0 where it is not so."""
    groups = numbers.index(1) if 1 in numbers else 0
    if groups < 2 or len(numbers) != size or size % groups:
        return 0
    return groups if numbers == np.arange(size).reshape(groups, -1).T.ravel().tolist() else 0


def _shuffle(value: Value, axis: int, groups: int) -> Value:
    """As reshaping and transposing do it; no data moves."""
    rank, shape = len(value.shape), value.shape
    cut = value.reshaped([*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :]])
    order = [*range(axis), axis + 1, axis, *range(axis + 2, rank + 1)]
    return cut.permuted(order).reshaped(shape)


@rule("GatherND")
def gather_places(node: Node) -> Value:
    """By constant indices into the first axes, as one lookup over their product."""
    value, wanted = node.value(0), node.constant(1)
    if node.get("batch_dims"):
        raise node.refuse("with batch axes")
    depth = wanted.shape[-1]
    lengths = value.shape[:depth]
    places = np.moveaxis(np.where(wanted < 0, wanted + np.asarray(lengths), wanted), -1, 0)
    numbers = np.ravel_multi_index(tuple(places), lengths)
    flat, at = exposed(value.reshaped([math.prod(lengths), *value.shape[depth:]]), 0)
    made = tf.gather(flat.tensor, numbers.ravel().astype(np.int32), axis=at)
    found = resized(flat, made, 0, numbers.size)
    return found.reshaped([*numbers.shape, *value.shape[depth:]])


def _lookup(table: Value, index: Value, axis: int) -> Value:
    """Rows of a table, by indices that the model computes or is given."""
    table, index = plain(table), plain(index)
    tensor = shaped(table.tensor, table.shape)
    made = tf.gather(tensor, tf.cast(shaped(index.tensor, index.shape), tf.int32), axis=axis)
    return Value(made, Layout.plain(tf_shape(made)), table.nonnegative)


@rule("Pad")
def pad(node: Node) -> Value:
    """Constant, reflected, repeated or wrapped; negative numbers cut."""
    value, rank = node.value(), len(node.value().shape)
    numbers = node.numbers(1, "pads") or []
    axes = [axis_of(a, rank) for a in (node.numbers(3) or range(rank))]
    pads = [(0, 0)] * rank
    for index, axis in enumerate(axes):
        pads[axis] = numbers[index], numbers[index + len(axes)]
    for axis, (before, after) in enumerate(pads):
        if before < 0 or after < 0:
            value = part(value, axis, range(max(-before, 0), value.shape[axis] + min(after, 0)))
            pads[axis] = max(before, 0), max(after, 0)
    fill = float(node.constant(2).ravel()[0]) if node.optional(2) else node.get("value", 0.0)
    return surrounded(node, value, pads, node.get("mode", "constant"), fill)


def surrounded(
    node: Node, value: Value, pads: list[tuple[int, int]], mode: str, fill: float
) -> Value:
    """A value with elements before and after it along each axis."""
    if not any(n for both in pads for n in both):
        return value
    order = memory_order_of(value)
    value = arranged(value, order)
    x = shaped(value.tensor, [value.shape[axis] for axis in order])
    inside = [list(pads[axis]) for axis in order]
    if mode == "constant":
        x = tf.pad(x, inside, constant_values=fill)
    elif mode == "reflect":
        x = tf.pad(x, inside, "REFLECT")
    elif mode in ("edge", "wrap"):
        for at, (before, after) in enumerate(inside):
            x = (
                repeated_edge(x, at, before, after)
                if mode == "edge"
                else _wrapped(x, at, before, after)
            )
    else:
        raise node.refuse(f"with mode {mode}")
    shape = [n + sum(both) for n, both in zip(value.shape, pads, strict=True)]
    keeps = value.nonnegative and (mode != "constant" or fill >= 0)
    return Value(x, Layout.stored(shape, order), keeps)


def _wrapped(x: Any, axis: int, before: int, after: int) -> Any:
    size = tf_shape(x)[axis]
    ends = [tf.gather(x, np.arange(size - before, size), axis=axis)] if before else []
    starts = [tf.gather(x, np.arange(after), axis=axis)] if after else []
    return tf.concat([*ends, x, *starts], axis) if before or after else x


@rule("Trilu")
def triangle(node: Node) -> Value:
    """The upper or lower triangle of the last two axes, as a product with ones and zeros."""
    value = node.value()
    offset = int(node.constant(1).ravel()[0]) if node.optional(1) is not None else 0
    ones = np.ones(value.shape[-2:], np.float32)
    mask = np.triu(ones, offset) if node.get("upper", 1) else np.tril(ones, offset)
    return elementwise(tf.multiply, value, Value.constant(mask), nonnegative=value.nonnegative)


@rule("TopK")
def largest(node: Node) -> Sequence[Value]:
    """The k largest (or smallest) along an axis, in order, and where they were, as int32."""
    value, count = node.value(), int(node.constant(1).ravel()[0])
    axis = axis_of(node.get("axis", -1), len(value.shape))
    order = [a for a in range(len(value.shape)) if a != axis] + [axis]
    rows = plain(value.permuted(order))
    x = shaped(rows.tensor, rows.shape)
    values, indices = tf.math.top_k(x if node.get("largest", 1) else -x, count)
    values = values if node.get("largest", 1) else -values
    shape, back = [*rows.shape[:-1], count], [order.index(a) for a in range(len(order))]
    return [Value(each, Layout.plain(shape)).permuted(back) for each in (values, indices)]


@rule("GatherElements")
def gathered_elements(node: Node) -> Value:
    """For each place of the indices, the element there along one axis."""
    value, indices = node.value(0), node.value(1)
    axis = axis_of(node.get("axis", 0), len(value.shape))
    others = [a for a in range(len(value.shape)) if a != axis]
    if any(value.shape[a] != indices.shape[a] for a in others):
        raise node.refuse("over fewer places than the data has")
    order = [*others, axis]
    data, places = (plain(each.permuted(order)) for each in (value, indices))
    rows = math.prod(data.shape[:-1])
    made = tf.gather(
        shaped(data.tensor, [rows, data.shape[-1]]),
        tf.cast(shaped(places.tensor, [rows, places.shape[-1]]), tf.int32), batch_dims=1, axis=1,
    )  # fmt: skip
    back = [order.index(a) for a in range(len(order))]
    return Value(made, Layout.plain(places.shape)).permuted(back)
