"""`torch.einsum`: every letter is an axis that its operands share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from pipeline.prune.labels import along, fixed
from pipeline.prune.rules import rule, unknown
from pipeline.prune.rules.contraction import is_stored

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace


def letters(node: fx.Node) -> tuple[list[str], str] | None:
    """The letters of each operand and of the result; None where they are not plainly written."""
    equation = str(node.args[0]).replace(" ", "")
    left, arrow, right = equation.partition("->")
    parts = left.split(",")
    plain = arrow and "." not in equation and all(len(set(p)) == len(p) for p in [*parts, right])
    return (parts, right) if plain else None


def macs(node: fx.Node, operands: Sequence[Sequence[int]]) -> int:
    """Every combination of letters is one multiplication (two operands)."""
    read = letters(node)
    if read is None:
        return 0
    sizes = {
        c: size
        for part, shape in zip(read[0], operands, strict=True)
        for c, size in zip(part, shape, strict=True)
    }
    return math.prod(sizes.values())


@rule("einsum")
def einsum(trace: Trace, node: fx.Node) -> Any:
    """Equal letters are tied, and one letter of the result carries its channels.

    A letter that is summed may lose channels only where a removed one is zero in some operand.
    """
    read, operands = letters(node), list(node.args[1])  # type: ignore[arg-type]
    if read is None or len(operands) != 2 or all(map(is_stored, operands)):
        return unknown(trace, node)
    found: dict[str, list[Tensor]] = {}
    zero: set[str] = set()
    for part, operand in zip(read[0], operands, strict=True):
        for letter, vector in _vectors(trace, part, operand).items():
            found.setdefault(letter, []).append(vector)
            if is_stored(operand) or operand.name in trace.zero:
                zero.add(letter)
    for letter, vectors in found.items():
        for vector in vectors[1:]:
            trace.labels.union(vectors[0], vector)
        if letter not in read[1] and not (letter in zero and len(vectors) == 2):
            trace.freeze(vectors[0], node, "sums over channels that need not be zero")
    return _result(trace, node, read[1], {c: vectors[0] for c, vectors in found.items()})


def _vectors(trace: Trace, part: str, operand: Any) -> Mapping[str, Tensor]:
    """The labels along each letter: a stored weight has some along every axis."""
    if is_stored(operand):
        return {letter: trace.weight(operand, axis) for axis, letter in enumerate(part)}
    x = trace.labels.settle(trace.of(operand))
    axis = trace.labels.axis(x)
    vectors = {letter: fixed((x.shape[place],)) for place, letter in enumerate(part)}
    if axis is not None:
        vector = trace.labels.vector(x, axis)
        assert vector is not None
        vectors[part[axis]] = vector
    return vectors


def _result(trace: Trace, node: fx.Node, part: str, vectors: Mapping[str, Tensor]) -> Tensor:
    shape = trace.shape(node)
    free = [c for c in part if bool((trace.labels.find(vectors[c]) != 0).any())]
    best = max(free, key=lambda c: len(torch.unique(trace.labels.find(vectors[c]))), default=None)
    for letter in free:
        if letter != best:
            trace.freeze(vectors[letter], node, "has channels on another axis too")
    if best is None:
        return fixed(shape)
    return trace.settled(along(vectors[best], shape, part.index(best)), node)
