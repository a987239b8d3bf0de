"""Operators that work element by element tie the labels of their operands."""

from __future__ import annotations

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
    shape = trace.shape(node)
    dims = len(shape)
    operands = [trace.of(arg) for arg in node.all_input_nodes if trace.holds_tensor(arg)]
    aligned = [x.reshape([1] * (dims - x.dim()) + list(x.shape)) for x in operands]
    axes = {axis for x in aligned for axis in trace.labels.varying(x)}
    whole: Tensor | None = None
    for x in aligned:
        if any(x.shape[axis] == 1 < shape[axis] for axis in axes):
            trace.freeze(x, node, "is broadcast along the channels")
            continue
        x = x.expand(shape)
        if whole is None:
            whole = x
        else:
            trace.labels.union(whole, x)
    return trace.settled(fixed(shape) if whole is None else whole, node)


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
