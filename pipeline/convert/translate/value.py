"""A logical tensor: the data as TensorFlow holds it, and the layout that says what it means."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.convert.translate.strides import Layout, Piece


@dataclass(frozen=True)
class Value:
    """`tensor` (a constant is an ndarray) has any shape whose row-major order is the memory's.

    `nonnegative`: none of its elements can be below zero, whatever the input (else: not known).
    """

    tensor: Any
    layout: Layout
    nonnegative: bool = False

    @staticmethod
    def constant(array: np.ndarray) -> Value:
        """A constant, row-major."""
        array = np.asarray(array)
        signed = array.dtype.kind not in "fiu" or not array.size or array.min() < 0
        return Value(array, Layout.plain(array.shape), not signed)

    @staticmethod
    def number(number: float) -> Value:
        """A constant of one element."""
        return Value.constant(np.asarray(number, np.float32))

    @property
    def shape(self) -> tuple[int, ...]:
        """The logical shape."""
        return self.layout.shape

    @property
    def is_constant(self) -> bool:
        """Known without running anything."""
        return isinstance(self.tensor, np.ndarray)

    def array(self) -> np.ndarray:
        """A constant in its logical shape."""
        assert self.is_constant
        return np.asarray(plain(self).tensor).reshape(self.shape)

    def reshaped(self, shape: Sequence[int]) -> Value:
        """Another logical shape; no data moves."""
        return replace(self, layout=self.layout.reshaped(shape))

    def permuted(self, order: Sequence[int]) -> Value:
        """Logical axes in another order; data moves only where the shape is no product of it."""
        layout = self.layout.permuted(order)
        if layout is None:
            return plain(self).permuted(order)
        return replace(self, layout=layout)

    def pieces(self) -> tuple[Value, list[Piece]]:
        """The value with each factor inside one axis (moved if it must be), and these factors."""
        pieces = self.layout.pieces()
        if pieces is not None:
            return self, pieces
        value = plain(self)
        pieces = value.layout.pieces()
        assert pieces is not None
        return value, pieces


def tf_shape(tensor: Any) -> list[int]:
    """The shape TensorFlow sees; always static."""
    return [int(size) for size in tensor.shape]


def shaped(tensor: Any, shape: Sequence[int]) -> Any:
    """The tensor in another TensorFlow shape, without an operator where it has it already."""
    if tf_shape(tensor) == list(shape):
        return tensor
    if isinstance(tensor, np.ndarray):
        return tensor.reshape(shape)
    return tf.reshape(tensor, list(shape))


def reordered(tensor: Any, sizes: Sequence[int], order: Sequence[int]) -> Any:
    """Memory axes of `sizes` in another order: the one place where data moves."""
    if list(order) == sorted(order):
        return tensor
    sizes, order = _together(sizes, order)
    cut = shaped(tensor, sizes)
    return cut.transpose(order) if isinstance(cut, np.ndarray) else tf.transpose(cut, order)


def _together(sizes: Sequence[int], order: Sequence[int]) -> tuple[list[int], list[int]]:
    """Neighbours that stay neighbours as one axis: runtimes transpose few axes only."""
    runs: list[list[int]] = []
    for axis in order:
        if runs and runs[-1][-1] + 1 == axis:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    ranked = sorted(runs)
    merged = [math.prod(sizes[axis] for axis in run) for run in ranked]
    return merged, [ranked.index(run) for run in runs]


def moved(value: Value, pieces: Sequence[Piece], wanted: Sequence[Piece]) -> Value:
    """The value, whose memory is `pieces`, with its memory as `wanted`."""
    order = [list(pieces).index(piece) for piece in wanted]
    tensor = reordered(value.tensor, [p.size for p in pieces], order)
    return replace(value, tensor=tensor, layout=Layout.of(value.shape, wanted))


def plain(value: Value) -> Value:
    """Row-major."""
    factors = value.layout.factors
    order = sorted(range(len(factors)), key=lambda i: -factors[i][1])
    tensor = reordered(value.tensor, [size for size, _ in factors], order)
    return replace(value, tensor=tensor, layout=Layout.plain(value.shape))


def arranged(value: Value, order: Sequence[int], free: Collection[int] = ()) -> Value:
    """Memory axis after axis in `order`; inside a `free` axis any order stays as it is."""
    value, pieces = value.pieces()
    wanted = [p for axis in order for p in _of_axis(pieces, axis, axis in free)]
    return moved(value, pieces, wanted)


def last(value: Value, axes: Collection[int]) -> tuple[Value, list[Piece]]:
    """Memory with `axes` innermost, and their pieces there; nothing else changes places."""
    value, pieces = value.pieces()
    inner = [p for p in pieces if p.axis in axes]
    return moved(value, pieces, [p for p in pieces if p.axis not in axes] + inner), inner


def rows(value: Value, width: int) -> Any:
    """The tensor with `width` as its last TensorFlow axis, in its own shape if that is so."""
    shape = tf_shape(value.tensor)
    if shape and shape[-1] == width:
        return value.tensor
    return shaped(value.tensor, [math.prod(value.shape) // width, width])


def exposed(value: Value, axis: int) -> tuple[Value, int]:
    """The value with a logical axis as one TensorFlow axis of its own, and which one that is."""
    value, pieces = value.pieces()
    own = sorted((p for p in pieces if p.axis == axis), key=lambda p: -p.stride)
    at = next((i for i, p in enumerate(pieces) if p.axis == axis), 0)
    others = [p for p in pieces if p.axis != axis]
    at = sum(p.axis != axis for p in pieces[:at])
    value = moved(value, pieces, [*others[:at], *own, *others[at:]])
    before = math.prod(p.size for p in others[:at])
    shape, size, seen = tf_shape(value.tensor), value.shape[axis], 1
    for index, length in enumerate(shape):
        if seen == before and length == size:
            return value, index
        seen *= length
    cut = [before, size, math.prod(p.size for p in others[at:])]
    return replace(value, tensor=shaped(value.tensor, cut)), 1


def _of_axis(pieces: Sequence[Piece], axis: int, free: bool) -> list[Piece]:
    own = [p for p in pieces if p.axis == axis]
    return own if free else sorted(own, key=lambda p: -p.stride)


def channels_last(value: Value) -> tuple[Any, list[Piece]]:
    """(N, C, *spatial) as a TensorFlow tensor (N, *spatial, C), and how the channels lie in it."""
    rank = len(value.shape)
    order = [0, *range(2, rank), 1]
    value = arranged(value, order, free={1})
    pieces = value.layout.pieces()
    assert pieces is not None
    inner = [p for p in pieces if p.axis == 1]
    return shaped(value.tensor, [value.shape[axis] for axis in order]), inner


def from_channels_last(
    tensor: Any, inner: Sequence[Piece] = (), rank: int = 0, *, nonnegative: bool = False
) -> Value:
    """A TensorFlow tensor (N, *spatial, C) as the logical (N, C, *spatial) of `rank` axes."""
    shape = tf_shape(tensor)
    rank = rank or len(shape)
    spatial = shape[1:-1][len(shape) - rank :]
    logical = [shape[0], shape[-1], *spatial]
    order = [0, *range(2, rank), 1]
    pieces = {1: list(inner)} if inner else {}
    return Value(tensor, Layout.stored(logical, order, pieces), nonnegative)


def memory_order_of(value: Value) -> list[int]:
    """Axes by where their most significant piece lies; axes of length 1 where N H W C has them."""
    value, pieces = value.pieces()
    rank, shape = len(value.shape), value.shape
    present = list(dict.fromkeys(p.axis for p in pieces))
    for wanted in (channels_last_order(rank), list(range(rank))):
        if [axis for axis in wanted if shape[axis] > 1] == present:
            return wanted
    return [a for a in range(rank) if a not in present] + present


def channels_last_order(rank: int) -> list[int]:
    """N C H W -> N H W C; two axes or one stay."""
    return [0, *range(2, rank), 1] if rank > 2 else list(range(rank))
