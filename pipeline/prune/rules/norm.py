"""Normalisations: per channel they pass channels on, over channels they couple them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import fx

from pipeline.prune.labels import along
from pipeline.prune.rules import rule
from pipeline.prune.rules.convolution import tie_groups

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace


@rule("batch_norm", "instance_norm")
def per_channel(trace: Trace, node: fx.Node) -> Any:
    """x (n, channels, ...); weight, bias, running mean and variance (channels,)."""
    x = trace.of(node.args[0])
    if trace.labels.vector(x, 1) is None:
        trace.freeze(x, node, "normalises over the channels")
    vector = trace.labels.vector(x, 1)
    for arg in node.args[1:5]:
        if isinstance(arg, fx.Node) and vector is not None:
            trace.labels.union(trace.of(arg), vector)
    return x


@rule("layer_norm", "rms_norm")
def layer_norm(trace: Trace, node: fx.Node) -> Any:
    """x (..., *sizes), weight and bias of shape `sizes`; statistics over the channels that stay."""
    x, sizes = trace.of(node.args[0]), trace.concrete(node.args[1])
    axis, first = trace.labels.axis(x), x.dim() - len(sizes)
    affine = {i: arg for i, arg in enumerate(node.args[2:4], 2) if isinstance(arg, fx.Node)}
    if axis is None or axis < first:
        for arg in affine.values():
            trace.labels.fix(trace.of(arg))
        return x
    vector = trace.labels.vector(x, axis)
    assert vector is not None
    for arg in affine.values():
        trace.labels.union(trace.of(arg), along(vector, sizes, axis - first))
    trace.couple(node, {0: axis, **dict.fromkeys(affine, axis - first)}, axis)
    return x


@rule("group_norm")
def group_norm(trace: Trace, node: fx.Node) -> Any:
    """x (n, channels, ...): every group loses the same places, so that all stay equally wide."""
    x = trace.of(node.args[0])
    groups = int(trace.concrete(node.args[1]))
    vector = trace.labels.vector(x, 1)
    affine = {i: arg for i, arg in enumerate(node.args[2:4], 2) if isinstance(arg, fx.Node)}
    if vector is None:
        trace.freeze(x, node, "normalises over the channels")
        vector = trace.labels.vector(x, 1)
        assert vector is not None
    if 1 < groups < len(vector):
        tie_groups(trace, vector, groups)
    for arg in affine.values():
        trace.labels.union(trace.of(arg), vector)
    if groups < len(vector):
        trace.couple(node, {0: 1, **dict.fromkeys(affine, 0)}, 1)
    return x
