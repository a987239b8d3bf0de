"""Operators over the spatial axes: pooling, resizing and padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from pipeline.prune.labels import along
from pipeline.prune.rules import rule

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace


@rule(
    "max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices",
    "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
    "adaptive_max_pool1d", "adaptive_max_pool2d", "_adaptive_avg_pool2d",
    "upsample_nearest1d", "upsample_nearest2d", "upsample_linear1d", "upsample_bilinear2d",
    "upsample_bicubic2d", "upsample_nearest3d", "upsample_trilinear3d",
    "_upsample_nearest_exact1d", "_upsample_nearest_exact2d", "_upsample_nearest_exact3d",
    "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "adaptive_max_pool3d",
    "fractional_max_pool2d", "max_pool3d_with_indices",
)  # fmt: skip
def spatial(trace: Trace, node: fx.Node) -> Any:
    """(n, channels, ...) -> (n, channels, ...): the channels pass, other axes must not vary."""
    x = trace.of(node.args[0])
    shapes: Any = trace.shape(node)
    many = not hasattr(shapes, "numel")
    outs = [_resized(trace, node, x, shape) for shape in (shapes if many else [shapes])]
    return outs if many else outs[0]


def _resized(trace: Trace, node: fx.Node, x: Tensor, shape: Any) -> Tensor:
    vector = trace.labels.vector(x, 1)
    if vector is None:
        trace.freeze(x, node, "the channels lie on an axis it pools over")
        vector = trace.labels.vector(x, 1)
        assert vector is not None
    return trace.settled(along(vector, shape, 1), node, None if shape is trace.shape(node) else 0)


@rule("max_unpool2d", "max_unpool3d")
def unpooled(trace: Trace, node: fx.Node) -> Any:
    """The values go back to the places they were found at: both have the channels."""
    x, places = trace.of(node.args[0]), trace.of(node.args[1])
    first, second = trace.labels.vector(x, 1), trace.labels.vector(places, 1)
    if first is None or second is None:
        for labels in (x, places):
            trace.freeze(labels, node, "the channels lie on an axis it spreads")
        return trace.constant(node)
    trace.tie(first, second, node)
    return trace.settled(along(first, trace.shape(node), 1), node)


@rule("pad", "constant_pad_nd")
def pad(trace: Trace, node: fx.Node) -> Any:
    """Padding along the channels adds fixed ones (a shortcut without a convolution)."""
    x, amounts = trace.of(node.args[0]), trace.concrete(node.args[1])
    axis = trace.labels.axis(x)
    place = -1 if axis is None else 2 * (x.dim() - 1 - axis)
    before, after = amounts[place : place + 2] if 0 <= place < len(amounts) else (0, 0)
    mode: Any = node.args[2] if len(node.args) > 2 else "constant"
    if min(before, after) < 0 or (
        (before or after) and isinstance(mode, str) and mode != "constant"
    ):
        trace.freeze(x, node, "crops or mirrors the channels")
        return trace.constant(node)
    if axis is None:
        return trace.constant(node)
    vector = trace.labels.vector(x, axis)
    assert vector is not None
    ends = [torch.zeros(n, dtype=torch.int64) for n in (before, after)]
    padded = torch.cat([ends[0], vector, ends[1]])
    return trace.settled(along(padded, trace.shape(node), axis), node)
