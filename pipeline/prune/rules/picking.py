"""Picking and placing by number: constant places are followed, computed ones hold their axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, fx

from pipeline.prune.fold import evaluate, is_constant
from pipeline.prune.labels import along, fixed
from pipeline.prune.rules import name_of, rule
from pipeline.prune.rules.pointwise import combine

SLIDES = "slides"
"""In a node's meta, see `prune.slides`: `spread` puts channels back to their places, with zeros
between; `pick` takes of such places those whose channels stay."""

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace


@rule("index", "index_select")
def pick(trace: Trace, node: fx.Node) -> Any:
    """Places along one axis: the other axes pass; channels picked by constants are followed."""
    if (kind := node.meta.get(SLIDES)) is not None:
        return _slid[kind](trace, node)
    x, shape = trace.of(node.args[0]), trace.shape(node)
    places = _places(trace, node, x.dim())
    for index in places.values():
        trace.freeze(trace.of(index), node, "is a place in another tensor")
    passing = [axis for axis in trace.labels.varying(x) if axis not in places]
    if passing:  # a table whose rows are picked keeps them; its columns may be channels
        x = trace.labels.settle(x, passing[0])
    axis = trace.labels.axis(x)
    if axis is None:
        return trace.constant(node)
    if (known := _constant(places, axis)) is not None:
        trace.picked[node.name] = (axis, known % x.shape[axis])
        return trace.settled(x.index_select(*trace.picked[node.name]), node)
    if len(places) != 1 or axis in places:
        trace.freeze(x, node, "picks channels by number")
        return trace.constant(node)
    (picked,) = places
    vector = trace.labels.vector(x, axis)
    assert vector is not None
    moved = axis + (len(shape) - x.dim() if picked < axis else 0)
    return trace.settled(along(vector, shape, moved), node)


def _places(trace: Trace, node: fx.Node, dims: int) -> dict[int, fx.Node]:
    if name_of(node) == "index_select":
        return {int(trace.concrete(node.args[1])) % dims: node.args[2]}  # type: ignore[dict-item]
    given: Any = node.args[1]
    return {axis: index for axis, index in enumerate(given) if index is not None}


def _constant(places: Mapping[int, fx.Node], axis: int) -> Tensor | None:
    """The places along an axis, (n,), if they are known and there are no others."""
    if list(places) != [axis] or not is_constant(places[axis]):
        return None
    index = evaluate(places[axis])
    numbers = not index.is_floating_point() and not index.is_complex() and index.dim() == 1
    return index if numbers and index.element_size() > 1 else None


def _spread(trace: Trace, node: fx.Node) -> Any:
    """Channels at their places, zeros between: nothing of it can go."""
    padded: Any = node.args[0]
    x, (axis, places) = trace.of(padded), _selected(node)
    if padded.args[0].name in trace.zero:
        trace.picked[node.name] = (axis, places)
    else:
        trace.freeze(x, node, "a kernel slides over channels that need not be zero")
    return trace.constant(node)


def _pick(trace: Trace, node: fx.Node) -> Any:
    """Any of the results can go."""
    axis, places = trace.picked[node.name] = _selected(node)
    trace.zero_or_not[node.name] = False
    fresh = along(trace.labels.fresh(len(places)), trace.shape(node), axis)
    return trace.settled(fresh, node)


def _selected(node: fx.Node) -> tuple[int, Tensor]:
    axis, places = node.args[1:3]
    return axis, evaluate(places)  # type: ignore[arg-type, return-value]


_slid = {"spread": _spread, "pick": _pick}


@rule("gather", "scatter", "scatter_add", "scatter_reduce", "index_add", "index_copy")
def place(trace: Trace, node: fx.Node) -> Any:
    """x, an axis, places along it and, for those that write, what is written there.

    Channels on other axes pass: they are tied, those of places that are as wide as x included.
    """
    x, shape = trace.of(node.args[0]), trace.shape(node)
    axis = int(trace.concrete(node.args[1])) % x.dim()
    tensors = [arg for arg in node.all_input_nodes if trace.holds_tensor(arg)]
    operands = [trace.of(arg) for arg in tensors]
    sizes = [
        [n for d, n in enumerate(o.shape) if d != axis] for o in operands if o.dim() == x.dim()
    ]
    if any(size != sizes[0] for size in sizes):
        for labels in operands:
            trace.freeze(labels, node, "picks channels by number")
        return fixed(shape)
    thin = [_thin(trace, node, o, axis) for o in operands if o.dim() == x.dim()]
    one = [1 if d == axis else n for d, n in enumerate(shape)]
    return combine(trace, node, thin, one).expand(shape)


def _thin(trace: Trace, node: fx.Node, x: Tensor, axis: int) -> Tensor:
    if trace.labels.varying(x) == [axis]:
        trace.freeze(x, node, "picks channels by number")
    return trace.labels.settle(x, tied=[axis]).narrow(axis, 0, 1)


@rule("index_put")
def write(trace: Trace, node: fx.Node) -> Any:
    """One number at places along other axes than the channels'."""
    x = trace.of(node.args[0])
    given: Any = node.args[1]
    axes = [axis for axis, index in enumerate(given) if index is not None]
    masks = any(index is not None and trace.of(index).dim() > 1 for index in given)
    axis = trace.labels.axis(x)
    if masks or axis in axes or trace.of(node.args[2]).numel() != 1:
        for arg in node.all_input_nodes:
            trace.freeze(trace.of(arg), node, "writes channels by number")
        return trace.constant(node)
    return x
