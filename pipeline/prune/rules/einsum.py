"""`torch.einsum` and its relatives: every letter is an axis that its operands share."""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from pipeline.prune.labels import along, fixed
from pipeline.prune.rules import name_of, rule, unknown
from pipeline.prune.rules.contraction import is_stored
from pipeline.prune.rules.pointwise import combine

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace


Parts = tuple[list[str], str]
"""The letters of each operand, and those of the result."""


def letters(equation: str, dims: Sequence[int]) -> Parts | None:
    """The parts of an equation, `...` spelt out; None where an operand repeats a letter."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    parts = left.split(",")
    extra = [n - len(p) + 3 if "..." in p else 0 for p, n in zip(parts, dims, strict=True)]
    unused = "".join(c for c in string.ascii_letters if c not in equation)[: max(extra)]
    if not arrow:
        count = Counter(left.replace(",", "").replace(".", ""))
        dots = "..." if "..." in left else ""
        right = dots + "".join(sorted(c for c, times in count.items() if times == 1))
    spelt = [p.replace("...", unused[len(unused) - n :]) for p, n in zip(parts, extra, strict=True)]
    right = right.replace("...", unused)
    return (spelt, right) if all(len(set(p)) == len(p) for p in [*spelt, right]) else None


def tensordot_letters(dims: Sequence[int], first: Sequence[int], second: Sequence[int]) -> Parts:
    """The same for `torch.tensordot` over these axes of its two operands."""
    left = list(string.ascii_letters[: dims[0]])
    right = list(string.ascii_letters[dims[0] : sum(dims)])
    for a, b in zip(first, second, strict=True):
        right[b] = left[a]
    shared = {left[a] for a in first}
    return ["".join(left), "".join(right)], "".join(c for c in left + right if c not in shared)


def parts_of(node: fx.Node, dims: Sequence[int]) -> Parts | None:
    """The letters of an `einsum`, or of a product that is one, whose operands have `dims` axes."""
    name, args = name_of(node), node.args
    if name == "addbmm":
        return ["abc", "acd"], "bd"
    if name == "tensordot":
        axes: Any = args[2:4]
        first, second = ([axis % n for axis in a] for a, n in zip(axes, dims, strict=True))
        return tensordot_letters(dims, first, second)
    if name == "bilinear":
        lead = string.ascii_letters[3 : 2 + dims[0]]
        return [f"{lead}a", f"{lead}b", "cab"], f"{lead}c"
    return letters(str(args[0]), dims)


def operands_of(node: fx.Node) -> list[Any]:
    """The operands of such an operator."""
    if name_of(node) == "einsum":
        return list(node.args[1])  # type: ignore[arg-type]
    if name_of(node) == "addbmm":
        return list(node.args[1:3])
    return list(node.args[: 3 if name_of(node) == "bilinear" else 2])


def macs(node: fx.Node, operands: Sequence[Sequence[int]]) -> int:
    """Every combination of letters is one multiplication (two operands)."""
    parts = parts_of(node, [len(shape) for shape in operands])
    if parts is None or len(operands) == 1:
        return 0
    pairs = (pair for p, shape in zip(parts[0], operands, strict=True)
             for pair in zip(p, shape, strict=True))  # fmt: skip
    return math.prod(dict(pairs).values())


@rule("einsum", "tensordot", "bilinear", "addbmm")
def einsum(trace: Trace, node: fx.Node) -> Any:
    """Equal letters are tied, and one letter of the result carries its channels.

    A letter that is summed may lose channels only where a removed one is zero in some operand.
    """
    operands = operands_of(node)
    parts = parts_of(node, [len(trace.shape(operand)) for operand in operands])
    if parts is None or all(map(is_stored, operands)):
        return unknown(trace, node)
    found: dict[str, list[Tensor]] = {}
    zero: set[str] = set()
    for part, operand in zip(parts[0], operands, strict=True):
        for letter, vector in _vectors(trace, part, operand).items():
            found.setdefault(letter, []).append(vector)
            if is_stored(operand) or operand.name in trace.zero:
                zero.add(letter)
    for letter, vectors in found.items():
        vectors.sort(key=len, reverse=True)  # one that is broadcast along a letter has one label
        for vector in vectors[1:]:
            if len(vector) == len(vectors[0]):
                trace.tie(vectors[0], vector, node)
        if letter not in parts[1] and letter not in zero:
            trace.freeze(vectors[0], node, "sums over channels that need not be zero")
    result = {c: vectors[0] for c, vectors in found.items()}
    labels, letter = _result(trace, node, parts[1], result, zero)
    added: Any = _added(node)
    if letter in zero and (added is None or added.name in trace.zero):
        trace.zero.add(node.name)
    if added is None:
        return labels
    return combine(trace, node, [labels, trace.of(added)], trace.shape(node))


def _added(node: fx.Node) -> Any:
    """What is added to the product: the bias of a `bilinear`, the first argument of `addbmm`."""
    if name_of(node) == "addbmm":
        return node.args[0]
    return node.args[3] if name_of(node) == "bilinear" and len(node.args) > 3 else None


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


def _result(
    trace: Trace, node: fx.Node, part: str, vectors: Mapping[str, Tensor], zero: set[str]
) -> tuple[Tensor, str]:
    """Of several letters with channels the one that stays free is zero where they go.

    (What reads the result may sum over it.)
    """
    shape = trace.shape(node)
    free = [c for c in part if bool((trace.labels.find(vectors[c]) != 0).any())]
    variety = {c: len(torch.unique(trace.labels.find(vectors[c]))) for c in free}
    best = max(free, key=lambda c: (c in zero, variety[c]), default="")
    for letter in free:
        if letter != best:
            trace.freeze(vectors[letter], node, "has channels on another axis too")
    if not best:
        return fixed(shape), best
    return trace.settled(along(vectors[best], shape, part.index(best)), node), best
