"""How a logical tensor lies in memory: the idea that saves the transposes.

A layout is a list of factors (size, stride) in memory order. An element's place in the logical,
row-major tensor is the sum of digit x stride. So a reshape changes only the logical shape, a
permutation only the strides, and both cost nothing; an operator that needs a certain order compares
layouts and moves data only where they differ. (The notation is that of CuTe's layouts.)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Factor = tuple[int, int]


@dataclass(frozen=True)
class Piece:
    """A factor that lies within one logical axis; `stride` counts within that axis."""

    axis: int
    size: int
    stride: int


@dataclass(frozen=True)
class Layout:
    """Logical shape, and factors (size, logical stride) in memory order, none of size 1."""

    shape: tuple[int, ...]
    factors: tuple[Factor, ...]

    @staticmethod
    def plain(shape: Sequence[int]) -> Layout:
        """Row-major."""
        total = math.prod(shape)
        return Layout(tuple(shape), ((total, 1),) if total > 1 else ())

    @staticmethod
    def of(shape: Sequence[int], pieces: Sequence[Piece]) -> Layout:
        """Pieces in memory order."""
        strides = row_major(shape)
        factors = [(p.size, p.stride * strides[p.axis]) for p in pieces]
        return Layout(tuple(shape), _merged(factors))

    @staticmethod
    def stored(
        shape: Sequence[int], order: Sequence[int], inner: Mapping[int, Sequence[Piece]] = {}
    ) -> Layout:
        """Axis after axis in `order`; an axis in `inner` keeps the pieces given there."""
        return Layout.of(shape, [p for axis in order for p in inner.get(axis, whole(shape, axis))])

    def reshaped(self, shape: Sequence[int]) -> Layout:
        """Another logical shape over the same memory."""
        assert math.prod(shape) == math.prod(self.shape), (shape, self.shape)
        return Layout(tuple(shape), self.factors)

    def permuted(self, order: Sequence[int]) -> Layout | None:
        """Logical axes in another order over the same memory; None where an axis is no product."""
        pieces = self.pieces()
        if pieces is None:
            return None
        moved = [Piece(list(order).index(p.axis), p.size, p.stride) for p in pieces]
        return Layout.of([self.shape[axis] for axis in order], moved)

    def pieces(self) -> list[Piece] | None:
        """Factors in memory order, cut at the borders of axes; None where a cut is no product."""
        found = [_cut(self.shape, *factor) for factor in self.factors]
        return None if None in found else [piece for cut in found if cut for piece in cut]


def whole(shape: Sequence[int], axis: int) -> list[Piece]:
    """One axis in its natural order."""
    return [Piece(axis, shape[axis], 1)] if shape[axis] > 1 else []


def row_major(shape: Sequence[int]) -> list[int]:
    """Strides of a row-major tensor, in elements."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def places(pieces: Sequence[Piece]) -> NDArray[np.int64]:
    """The logical index along one axis of each place in memory, for the pieces of that axis."""
    index = np.zeros(1, np.int64)
    for piece in pieces:
        index = (index[:, None] + np.arange(piece.size) * piece.stride).ravel()
    return index


def refined(pieces: Sequence[Piece], cuts: Mapping[int, Sequence[int]]) -> list[Piece] | None:
    """Pieces cut further, at the strides given for each axis; None where they do not divide."""
    found: list[Piece] = []
    for piece in pieces:
        end = piece.stride * piece.size
        inside = [c for c in cuts.get(piece.axis, ()) if piece.stride < c < end]
        borders = [piece.stride, *sorted(inside), end]
        if any(high % low for low, high in itertools.pairwise(borders)):
            return None
        parts = [Piece(piece.axis, high // low, low) for low, high in itertools.pairwise(borders)]
        found += reversed(parts)
    return found


def _merged(factors: Sequence[Factor]) -> tuple[Factor, ...]:
    merged: list[Factor] = []
    for size, stride in factors:
        if merged and merged[-1][1] == size * stride:
            merged[-1] = (merged[-1][0] * size, stride)
        elif size > 1:
            merged.append((size, stride))
    return tuple(merged)


def _cut(shape: Sequence[int], size: int, stride: int) -> list[Piece] | None:
    """One factor cut where an axis ends, the most significant piece first."""
    strides, found = row_major(shape), []
    while size > 1:
        axis = next(
            a
            for a in reversed(range(len(shape)))
            if shape[a] > 1 and stride < strides[a] * shape[a]
        )
        inner, odd = divmod(stride, strides[axis])
        if odd or shape[axis] % inner:
            return None
        room = shape[axis] // inner
        taken = min(size, room)
        if room % taken or size % taken:
            return None
        found.append(Piece(axis, taken, inner))
        size, stride = size // taken, stride * taken
    return found[::-1]
