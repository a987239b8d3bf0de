"""Windows of an image as columns, and operators that sample it at computed places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import fx

from pipeline.prune.labels import along
from pipeline.prune.rules import rule

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace


@rule("im2col")
def unfold(trace: Trace, node: fx.Node) -> Any:
    """(n, c, h, w) -> (n, c * kernel, places): each channel becomes a run of columns."""
    x, shape = trace.of(node.args[0]), trace.shape(node)
    vector = trace.labels.vector(x, x.dim() - 3)
    if vector is None:
        trace.freeze(x, node, "the channels lie on an axis it slides over")
        return trace.constant(node)
    columns = vector.repeat_interleave(shape[-2] // len(vector))
    return trace.settled(along(columns, shape, len(shape) - 2), node)


@rule("col2im")
def fold(trace: Trace, node: fx.Node) -> Any:
    """(n, c * kernel, places) -> (n, c, h, w): the columns of a channel are tied."""
    x, shape = trace.of(node.args[0]), trace.shape(node)
    vector = trace.labels.vector(x, x.dim() - 2)
    if vector is None:
        trace.freeze(x, node, "the channels lie on an axis it slides over")
        return trace.constant(node)
    runs = vector.reshape(shape[-3], -1)
    trace.labels.union(runs, runs[:, :1].expand_as(runs))
    return trace.settled(along(runs[:, 0], shape, len(shape) - 3), node)


@rule("unfold")
def windows(trace: Trace, node: fx.Node) -> Any:
    """`x.unfold(axis, size, step)`: windows along one axis, on a new last one."""
    x = trace.of(node.args[0])
    axis: Any = node.args[1]
    if trace.labels.axis(x) == axis % x.dim():
        trace.freeze(x, node, "slides over the channels")
        return trace.constant(node)
    size, step = (int(trace.concrete(arg)) for arg in node.args[2:4])
    return trace.settled(x.unfold(axis, size, step), node)


@rule("grid_sampler", "grid_sampler_2d", "grid_sampler_3d")
def sampled(trace: Trace, node: fx.Node) -> Any:
    """(n, c, ...) at the places of a grid, which stays as it is."""
    x = trace.of(node.args[0])
    trace.freeze(trace.of(node.args[1]), node, "is a place in another tensor")
    vector = trace.labels.vector(x, 1)
    if vector is None:
        trace.freeze(x, node, "the channels lie on an axis it samples")
        return trace.constant(node)
    return trace.settled(along(vector, trace.shape(node), 1), node)
