"""Fourier transforms, and complex numbers as pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import fx

from pipeline.prune.labels import along
from pipeline.prune.rules import rule

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace


@rule(
    "fft_fft", "fft_ifft", "fft_rfft", "fft_irfft", "fft_fft2", "fft_ifft2", "fft_rfft2",
    "fft_irfft2", "fft_fftn", "fft_ifftn", "fft_rfftn", "fft_irfftn",
)  # fmt: skip
def transform(trace: Trace, node: fx.Node) -> Any:
    """Channels pass where the transform runs along other axes."""
    x, shape = trace.on_one_axis(node.args[0]), trace.shape(node)
    axis = trace.labels.axis(x)
    if axis is None:
        return trace.constant(node)
    if axis in _axes(node, x.dim()):
        trace.freeze(x, node, "transforms the channels")
        return trace.constant(node)
    vector = trace.labels.vector(x, axis)
    assert vector is not None
    return trace.settled(along(vector, shape, axis), node)


def _axes(node: fx.Node, dims: int) -> list[int]:
    names = [argument.name for argument in node.target._schema.arguments]  # type: ignore[union-attr]
    place = names.index("dim")
    defaults = node.target._schema.arguments[place].default_value  # type: ignore[union-attr]
    given: Any = node.args[place] if place < len(node.args) else node.kwargs.get("dim", defaults)
    chosen = [given] if isinstance(given, int) else list(range(dims) if given is None else given)
    return [axis % dims for axis in chosen]


@rule("view_as_real")
def as_pairs(trace: Trace, node: fx.Node) -> Any:
    """(...) complex -> (..., 2)."""
    return trace.settled(
        trace.on_one_axis(node.args[0]).unsqueeze(-1).expand(trace.shape(node)), node
    )


@rule("view_as_complex")
def from_pairs(trace: Trace, node: fx.Node) -> Any:
    """(..., 2) -> (...) complex."""
    x = trace.on_one_axis(node.args[0])
    if trace.labels.axis(x) == x.dim() - 1:
        trace.freeze(x, node, "reads two channels as one number")
        return trace.constant(node)
    return trace.settled(x[..., 0], node)
