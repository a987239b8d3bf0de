"""Convolutions: old channels in, new channels out, or a kernel that slides over the channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, fx

from pipeline.prune.labels import along
from pipeline.prune.rules import name_of, rule
from pipeline.prune.rules.contraction import add_bias, computed_weight, contract, is_stored

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
        return computed_weight(trace, node)
    groups = groups_of(node)
    axis = x.dim() - trace.tensor(weight).dim() + 1
    inputs = trace.labels.vector(x, axis)
    if inputs is None and _passes(trace, node, x, axis):
        return _passed(trace, node, x, axis)
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


def _passes(trace: Trace, node: fx.Node, x: Tensor, axis: int) -> bool:
    """Whether a kernel has one place along the channels: it works on each of them alone."""
    along_axis, weight = trace.labels.axis(x), trace.tensor(node.args[1])
    if along_axis is None or along_axis < axis or groups_of(node) > 1:
        return False
    same = trace.shape(node)[along_axis] == x.shape[along_axis]
    return same and weight.shape[along_axis - axis + 1] == 1 and "transpose" not in name_of(node)


def _passed(trace: Trace, node: fx.Node, x: Tensor, axis: int) -> Any:
    given: Any = [*node.args, None]
    source, weight, bias = given[:3]
    add_bias(trace, node, trace.weight(weight, 0))
    trace.zero_or_not[node.name] = source.name in trace.zero and bias is None
    return contract(trace, node, x, weight, inputs_axis=1, place=axis)


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
