"""Reductions and other operators along an axis: over the channels they couple them."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from torch import fx

from pipeline.prune.labels import fixed
from pipeline.prune.rules import name_of, rule
from pipeline.prune.rules.pointwise import pointwise

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace


@rule(
    "mean", "sum", "amax", "amin", "var", "std", "var_mean", "max", "min", "prod", "logsumexp",
    "linalg_vector_norm", "norm", "argmax", "argmin", "all", "any",
)  # fmt: skip
def reduce(trace: Trace, node: fx.Node) -> Any:
    """Other axes pass; a sum, mean or largest value over the channels is over those that stay."""
    x = trace.of(node.args[0])
    if len(node.all_input_nodes) > 1:  # max and min of two tensors
        return pointwise(trace, node)
    shape: Any = trace.shape(node)
    many = not hasattr(shape, "numel")
    out = shape[0] if many else shape
    gone = _axes(node, x.dim())
    axis = trace.labels.axis(x)
    if axis in gone and _gives_places(node):
        trace.freeze(x, node, "gives the number of a channel")
        labels = fixed(out)
    elif axis is not None and axis in gone:
        trace.couple(node, {0: axis}, None)
        labels = fixed(out)
    else:
        labels = x
        for axis in sorted(gone, reverse=True):
            labels = labels.narrow(axis, 0, 1)
            labels = labels if len(out) == x.dim() else labels.squeeze(axis)
    return [labels.expand(out)] * len(shape) if many else labels.expand(out)


def _gives_places(node: fx.Node) -> bool:
    second = [user for user in node.users if user.target is operator.getitem and user.args[1] == 1]
    name = name_of(node)
    return name in ("argmax", "argmin") or (name in ("max", "min") and bool(second))


def _axes(node: fx.Node, dims: int) -> list[int]:
    names = [argument.name for argument in node.target._schema.arguments]  # type: ignore[union-attr]
    place = names.index("dim") if "dim" in names else len(node.args)
    given: Any = node.args[place] if place < len(node.args) else node.kwargs.get("dim")
    chosen = [given] if isinstance(given, int) else list(given or range(dims))
    return [axis % dims for axis in chosen]


@rule("softmax", "_softmax", "log_softmax")
def softmax(trace: Trace, node: fx.Node) -> Any:
    """Over the channels, the shares of those that stay sum to one."""
    x = trace.of(node.args[0])
    axis = trace.labels.axis(x)
    if axis is not None and axis in _axes(node, x.dim()):
        trace.couple(node, {0: axis}, axis)
    return x


@rule("cumsum", "sort", "topk")
def along_axis(trace: Trace, node: fx.Node) -> Any:
    """Elements along the axis depend on each other; along all others they pass on."""
    x = trace.of(node.args[0])
    shape: Any = trace.shape(node)
    axis = trace.labels.axis(x)
    same_shape = hasattr(shape, "numel") and shape == x.shape
    if not same_shape or axis in _axes(node, x.dim()):
        trace.freeze(x, node, "works along the channels")
        return trace.constant(node)
    return x


@rule("glu")
def glu(trace: Trace, node: fx.Node) -> Any:
    """The first half times the sigmoid of the second: the halves are tied."""
    x = trace.of(node.args[0])
    given: Any = node.args[1] if len(node.args) > 1 else -1
    first, second = x.chunk(2, given)
    trace.labels.union(first, second)
    return trace.settled(first, node)
