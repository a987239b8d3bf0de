"""Convolutions, linear layers and embeddings: old channels in, new channels out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, fx

from pipeline.prune.labels import along, fixed
from pipeline.prune.rules import name_of, rule, unknown

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace


@rule(
    "conv1d", "conv2d", "conv3d",
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
)  # fmt: skip
def convolution(trace: Trace, node: fx.Node) -> Any:
    """x (n, inputs, ...), weight (outputs, inputs / groups, ...); transposed: (inputs, ...)."""
    x, weight = trace.of(node.args[0]), node.args[1]
    if not is_stored(weight):
        return _computed_weight(trace, node)
    groups = groups_of(node)
    axis = x.dim() - trace.tensor(weight).dim() + 1
    inputs = trace.labels.vector(x, axis)
    if inputs is None and _slides_over(trace, node, x, axis):
        return _slid(trace, node, x)
    if inputs is None:
        trace.freeze(x, node, "the channels lie on an axis the kernel slides over")
        inputs = trace.labels.vector(x, axis)
        assert inputs is not None
    transposed = "transpose" in str(node.target)
    if groups > 1:
        trace.grouped.add((trace.name(weight), 1))
    outputs = (_transposed if transposed else _direct)(trace, weight, inputs, groups)
    add_bias(trace, node, outputs)
    return trace.settled(along(outputs, trace.shape(node), axis), node)


def _slides_over(trace: Trace, node: fx.Node, x: Tensor, axis: int) -> bool:
    """Whether the user lets a kernel slide over the channels that stay (as in ECA-Net)."""
    along_axis = trace.labels.axis(x)
    same = along_axis is not None and trace.shape(node)[along_axis] == x.shape[along_axis]
    return trace.uncertified and same and along_axis != axis and "transpose" not in name_of(node)


def _slid(trace: Trace, node: fx.Node, x: Tensor) -> Any:
    axis = trace.labels.axis(x)
    assert axis is not None
    vector = trace.labels.vector(x, axis)
    assert vector is not None
    weight: Any = node.args[1]
    for place in (0, 1):
        trace.labels.fix(trace.weight(weight, place))
    add_bias(trace, node, trace.weight(weight, 0))
    trace.couple(node, {0: axis}, axis, certified=False)
    return along(vector, trace.shape(node), axis)


def groups_of(node: fx.Node) -> int:
    """The `groups` argument of a convolution, transposed or not."""
    groups: Any = node.args[6] if len(node.args) > 6 else node.kwargs.get("groups", 1)
    return int(groups)


def is_stored(arg: Any) -> bool:
    """Whether an argument is a tensor that the graph owns, rather than computes."""
    return isinstance(arg, fx.Node) and arg.op == "get_attr"


def add_bias(trace: Trace, node: fx.Node, outputs: Tensor) -> None:
    """Tie the bias (third argument), if there is one, to the output channels."""
    bias = node.args[2] if len(node.args) > 2 else node.kwargs.get("bias")
    if bias is not None:
        trace.labels.union(trace.of(bias), outputs)


def _direct(trace: Trace, weight: Any, inputs: Tensor, groups: int) -> Tensor:
    outputs = trace.weight(weight, 0)
    if groups == 1:
        trace.labels.union(trace.weight(weight, 1), inputs)
    elif groups == len(inputs):
        trace.labels.union(outputs, inputs.repeat_interleave(len(outputs) // groups))
    else:
        tie_groups(trace, outputs, groups)
        tie_groups(trace, inputs, groups)
        trace.labels.union(trace.weight(weight, 1), inputs.reshape(groups, -1)[0])
    return outputs


def _transposed(trace: Trace, weight: Any, inputs: Tensor, groups: int) -> Tensor:
    trace.labels.union(trace.weight(weight, 0), inputs)
    if groups == 1:
        return trace.weight(weight, 1)
    per_group = trace.tensor(weight).shape[1]
    if groups == len(inputs):
        trace.labels.fix(trace.weight(weight, 1))
        return inputs.repeat_interleave(per_group)
    tie_groups(trace, inputs, groups)
    return trace.weight(weight, 1).repeat(groups)


def tie_groups(trace: Trace, vector: Tensor, groups: int) -> None:
    """Remove the same places from every group, so that all groups stay equally wide."""
    rows = vector.reshape(groups, -1)
    trace.labels.union(rows, rows[:1].expand_as(rows))


def _computed_weight(trace: Trace, node: fx.Node) -> Any:
    for arg in node.all_input_nodes:
        trace.freeze(trace.of(arg), node, "its weight is computed")
    return trace.constant(node)


@rule("linear")
def linear(trace: Trace, node: fx.Node) -> Any:
    """x (..., inputs), weight (outputs, inputs)."""
    if not is_stored(node.args[1]):
        return _computed_weight(trace, node)
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
