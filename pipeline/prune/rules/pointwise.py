"""Operators that work element by element tie the labels of their operands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, fx

from pipeline.prune.labels import fixed
from pipeline.prune.rules import rule

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace


# Those that torch does not tag as pointwise, or not in every form; the tag finds all others.
@rule(
    "masked_fill", "copy", "fill", "where", "rsub", "rrelu", "gelu", "hardswish", "log_sigmoid",
    "negative", "absolute", "divide", "true_divide", "floor_divide", "multiply", "subtract",
    "arctan", "arcsin", "special_expit", "special_erf", "ldexp",
)  # fmt: skip
def pointwise(trace: Trace, node: fx.Node) -> Any:
    """Operands that have the channel axis are united; one broadcast along it stays as it is."""
    operands = [trace.of(arg) for arg in node.all_input_nodes if trace.holds_tensor(arg)]
    return combine(trace, node, operands, trace.shape(node))


def combine(trace: Trace, node: fx.Node, operands: Sequence[Tensor], shape: Any) -> Tensor:
    """The labels of a tensor of this shape that is computed element by element from operands."""
    dims = len(shape)
    aligned = [x.reshape([1] * (dims - x.dim()) + list(x.shape)) for x in operands]
    axis = _channel_axis(trace, aligned)
    whole: Tensor | None = None
    for x in aligned:
        if axis is not None and x.shape[axis] == 1 < shape[axis]:
            trace.freeze(x, node, "is broadcast along the channels")
            continue
        x = _along(trace, node, x, axis).expand(shape)
        if whole is None:
            whole = x
        else:
            trace.tie(whole, x, node)
    return trace.settled(fixed(shape) if whole is None else whole, node)


def _channel_axis(trace: Trace, operands: Sequence[Tensor]) -> int | None:
    """The axis that keeps its channels: one that no operand holds fixed, then the widest."""
    varying = [trace.labels.varying(x) for x in operands]
    axes = {axis for found in varying for axis in found}
    if len(axes) < 2:
        return next(iter(axes), None)

    def rank(axis: int) -> tuple[bool, bool, int]:
        pairs = list(zip(operands, varying, strict=True))
        free = all(x.shape[axis] == 1 or axis in found for x, found in pairs)
        own = any(found == [axis] for found in varying)  # not only a parameter's elements
        return free, own, max(trace.labels.variety(x, axis) for x, f in pairs if axis in f)

    return max(sorted(axes), key=rank)


def _along(trace: Trace, node: fx.Node, x: Tensor, axis: int | None) -> Tensor:
    varying = trace.labels.varying(x)
    if len(varying) > 1:
        return trace.labels.settle(x, axis)
    if varying and varying[0] != axis:
        trace.freeze(x, node, "has channels on another axis than its partner")
    return x


@rule("prelu")
def prelu(trace: Trace, node: fx.Node) -> Any:
    """The slopes lie along axis 1, or are one for all."""
    x, slopes = trace.of(node.args[0]), trace.of(node.args[1])
    vector = trace.labels.vector(x, 1) if x.dim() > 1 else None
    if slopes.numel() > 1 and vector is not None:
        trace.labels.union(slopes, vector)
    elif slopes.numel() > 1:
        trace.freeze(x, node, "has one slope for each element of another axis")
    else:
        trace.labels.fix(slopes)
    return x
