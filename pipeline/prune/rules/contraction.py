"""Linear layers and embeddings: old channels in, new channels out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, fx

from pipeline.prune.labels import along, fixed
from pipeline.prune.rules import rule, unknown

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace


def is_stored(arg: Any) -> bool:
    """Whether an argument is a tensor that the graph owns, rather than computes."""
    return isinstance(arg, fx.Node) and arg.op == "get_attr"


def add_bias(trace: Trace, node: fx.Node, outputs: Tensor) -> None:
    """Tie the bias (third argument), if there is one, to the output channels."""
    bias = node.args[2] if len(node.args) > 2 else node.kwargs.get("bias")
    if bias is not None:
        trace.labels.union(trace.of(bias), outputs)


def computed_weight(trace: Trace, node: fx.Node) -> Any:
    """Nothing around a layer can go whose weight depends on the input."""
    for arg in node.all_input_nodes:
        trace.freeze(trace.of(arg), node, "its weight is computed")
    return trace.constant(node)


@rule("linear")
def linear(trace: Trace, node: fx.Node) -> Any:
    """x (..., inputs), weight (outputs, inputs)."""
    if not is_stored(node.args[1]):
        return computed_weight(trace, node)
    found = contract(trace, node, trace.of(node.args[0]), node.args[1], inputs_axis=1)
    add_bias(trace, node, trace.weight(node.args[1], 0))
    return found


def contract(
    trace: Trace, node: fx.Node, x: Tensor, weight: Any, inputs_axis: int, place: int = -1
) -> Any:
    """Contract one axis of x with a stored matrix, whose other axis takes its place."""
    axis = place % x.dim()
    inputs = trace.labels.vector(x, axis)
    outputs = trace.weight(weight, 1 - inputs_axis)
    if inputs is None:
        trace.freeze(outputs, node, "the channels lie on another axis, which passes through")
        trace.labels.fix(trace.weight(weight, inputs_axis))
        return trace.settled(x.narrow(axis, 0, 1).expand(trace.shape(node)), node)
    trace.labels.union(trace.weight(weight, inputs_axis), inputs)
    return trace.settled(along(outputs, trace.shape(node), axis), node)


@rule("embedding", "embedding_bag", "_embedding_bag")
def embedding(trace: Trace, node: fx.Node) -> Any:
    """A row of the table for each index: the table's columns are the new channels."""
    if not is_stored(node.args[0]):
        return unknown(trace, node)
    trace.labels.fix(trace.weight(node.args[0], 0))
    columns, shape = trace.weight(node.args[0], 1), trace.shape(node)
    if hasattr(shape, "numel"):
        return trace.settled(along(columns, shape, len(shape) - 1), node)
    first, *rest = shape  # a bag has its indices with it
    return [trace.settled(along(columns, first, 1), node, 0), *map(fixed, rest)]
