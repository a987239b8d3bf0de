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
    "linalg_vector_norm", "norm", "argmax", "argmin", "all", "any", "median", "nanmedian", "mode",
    "std_mean", "nansum", "nanmean", "aminmax",
)  # fmt: skip
def reduce(trace: Trace, node: fx.Node) -> Any:
    """Other axes pass; a sum, mean or largest value over the channels is over those that stay."""
    x = trace.on_one_axis(node.args[0])
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
    return name in ("argmax", "argmin") or (
        name in ("max", "min", "median", "nanmedian", "mode") and bool(second)
    )


def _axes(node: fx.Node, dims: int) -> list[int]:
    names = [argument.name for argument in node.target._schema.arguments]  # type: ignore[union-attr]
    place = names.index("dim") if "dim" in names else len(node.args)
    default = node.target._schema.arguments[place].default_value if "dim" in names else None  # type: ignore[union-attr]
    given: Any = node.args[place] if place < len(node.args) else node.kwargs.get("dim", default)
    chosen = [given] if isinstance(given, int) else list(given or range(dims))
    return [axis % dims for axis in chosen]


@rule("softmax", "_softmax", "log_softmax")
def softmax(trace: Trace, node: fx.Node) -> Any:
    """Over the channels, the shares of those that stay sum to one."""
    x = trace.on_one_axis(node.args[0])
    axis = trace.labels.axis(x)
    if axis is not None and axis in _axes(node, x.dim()):
        trace.couple(node, {0: axis}, axis)
    return x


@rule("cumsum", "logcumsumexp")
def running(trace: Trace, node: fx.Node) -> Any:
    """Over the channels, the sums of those that stay."""
    return softmax(trace, node)


@rule("cdist", "cosine_similarity")
def compared(trace: Trace, node: fx.Node) -> Any:
    """Distances between vectors of channels: of those that stay."""
    dims = max(trace.of(arg).dim() for arg in node.args[:2])
    axis = dims - 1 if name_of(node) == "cdist" else _axes(node, dims)[0]
    places, vectors = {}, []
    for place, arg in enumerate(node.args[:2]):
        x = trace.of(arg)
        places[place] = axis - dims + x.dim()
        vectors.append(trace.labels.vector(x, places[place]) if places[place] >= 0 else None)
    first, second = vectors
    if first is None or second is None or len(first) != len(second):
        for arg in node.args[:2]:
            trace.freeze(trace.of(arg), node, "compares along another axis than the channels")
    else:
        trace.tie(first, second, node)
        trace.couple(node, places, None)
    return trace.constant(node)


@rule("cumprod", "sort", "topk")
def along_axis(trace: Trace, node: fx.Node) -> Any:
    """Elements along the axis depend on each other; along all others they pass on."""
    x = trace.on_one_axis(node.args[0])
    shape: Any = trace.shape(node)
    many = not hasattr(shape, "numel")
    (axis,) = _axes(node, x.dim())
    if trace.labels.axis(x) == axis:
        trace.freeze(x, node, "works along the channels")
        return trace.constant(node)
    thin = x.narrow(axis, 0, 1)
    return [thin.expand(one) for one in shape] if many else thin.expand(shape)


@rule("glu")
def glu(trace: Trace, node: fx.Node) -> Any:
    """The first half times the sigmoid of the second: the halves are tied."""
    x = trace.on_one_axis(node.args[0])
    given: Any = node.args[1] if len(node.args) > 1 else -1
    first, second = x.chunk(2, given)
    trace.labels.union(first, second)
    return trace.settled(first, node)
