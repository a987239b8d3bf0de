"""Several logical tensors side by side for an elementwise operator, with broadcasting."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.convert.translate.strides import Layout, Piece, refined, whole
from pipeline.convert.translate.value import Value, moved, plain, shaped, tf_shape


def elementwise(function: Callable[..., Any], *values: Value, nonnegative: bool = False) -> Value:
    """`function` over the values, broadcast as NumPy and ONNX do."""
    tensors, layout = aligned(values)
    return Value(function(*tensors), layout, nonnegative)


def aligned(values: Sequence[Value]) -> tuple[list[Any], Layout]:
    """TensorFlow tensors that broadcast as the values do, and the layout of the result.

    The memory order is that of the largest value that is no constant: constants are reordered here
    and now, small values are cheap to move.
    """
    shape = np.broadcast_shapes(*(value.shape for value in values))
    values = [v.reshaped((1,) * (len(shape) - len(v.shape)) + v.shape) for v in values]
    lead = max(range(len(values)), key=lambda i: (math.prod(values[i].shape), _moves(values[i])))
    split = _split(values)
    if split is None:
        values = [plain(value) for value in values]
        split = _split(values)
        assert split is not None
    values, pieces = split
    order = _with_missing(pieces[lead], shape, pieces)
    values = [
        moved(v, own, [p for p in order if v.shape[p.axis] > 1])
        for v, own in zip(values, pieces, strict=True)
    ]
    present = [[v.shape[p.axis] > 1 for p in order] for v in values]
    groups = _groups(values[lead], order, present)
    tensors = [_cut(v, order, groups, own) for v, own in zip(values, present, strict=True)]
    return tensors, Layout.of(shape, order)


def _moves(value: Value) -> bool:
    return not value.is_constant


def _split(values: Sequence[Value]) -> tuple[list[Value], list[list[Piece]]] | None:
    """The values' pieces, cut so that they have the same ones along each axis they share."""
    both = [value.pieces() for value in values]
    cuts: dict[int, set[int]] = {}
    for _, pieces in both:
        for piece in pieces:
            cuts.setdefault(piece.axis, set()).update((piece.stride, piece.stride * piece.size))
    at = {axis: sorted(found) for axis, found in cuts.items()}
    found = [refined(pieces, at) for _, pieces in both]
    if any(pieces is None for pieces in found):
        return None
    return [value for value, _ in both], [pieces for pieces in found if pieces is not None]


def _with_missing(
    lead: Sequence[Piece], shape: Sequence[int], pieces: Sequence[Sequence[Piece]]
) -> list[Piece]:
    """The lead's order, with axes it broadcasts along where the logical order has them."""
    order = list(lead)
    for axis in range(len(shape)):
        if shape[axis] > 1 and not any(p.axis == axis for p in lead):
            donor = max(pieces, key=lambda own: sum(p.axis == axis for p in own))
            own = [p for p in donor if p.axis == axis] or whole(shape, axis)
            before = [i for i, p in enumerate(order) if p.axis < axis]
            at = max(before) + 1 if before else 0
            order[at:at] = own
    return order


def _groups(lead: Value, order: Sequence[Piece], present: Sequence[Sequence[bool]]) -> list[int]:
    """How many pieces each TensorFlow axis takes (0: an axis of length 1).

    As the lead's tensor has it, if no axis is half broadcast; else pieces of one kind together.
    """
    kinds = list(zip(*present, strict=True)) if order else []
    groups: list[int] = []
    at = 0
    for length in tf_shape(lead.tensor):
        start, size = at, 1
        while size < length and at < len(order):
            size, at = size * order[at].size, at + 1
        if size != length or len(set(kinds[start:at])) > 1:
            break
        groups.append(at - start)
    else:
        if at == len(order):
            return groups
    return _runs(kinds)


def _runs(kinds: Sequence[Any]) -> list[int]:
    runs: list[int] = []
    for index, kind in enumerate(kinds):
        if index and kind == kinds[index - 1]:
            runs[-1] += 1
        else:
            runs.append(1)
    return runs


def _cut(value: Value, order: Sequence[Piece], groups: Sequence[int], own: Sequence[bool]) -> Any:
    shape, at = [], 0
    for count in groups:
        members = range(at, at + count)
        shape.append(
            math.prod(order[i].size for i in members) if all(own[i] for i in members) else 1
        )
        at += count
    if value.is_constant or not any(own):
        while shape and shape[0] == 1:
            shape = shape[1:]
    if not value.is_constant and tf_shape(value.tensor) == [1] * (len(groups) - len(shape)) + shape:
        return value.tensor
    return shaped(value.tensor, shape)


def like(value: Value, tensor: Any, *, nonnegative: bool = False) -> Value:
    """The result of an operator that keeps shape and memory order."""
    return replace(value, tensor=tensor, nonnegative=nonnegative)
