"""The memory layout a network trains fastest in on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.fx import GraphModule

from pipeline.inputs.batch import Batch

Layout = torch.memory_format


@torch.no_grad()
def choose(model: GraphModule, x: Tensor | Batch) -> Layout:
    """Channels last for images (a fifth less CPU time a step), if every view of the graph bears it.

    `x` is a batch, the model in eval mode. Figures change in rounding only.
    """
    if all(tensor.ndim != 4 for tensor in Batch.of(x).arrays):
        return torch.contiguous_format
    try:
        lay_out(model, torch.channels_last)
        model(*arranged(x, torch.channels_last).arrays)
    except RuntimeError:  # "view size is not compatible with input tensor's size and stride"
        return torch.contiguous_format
    finally:
        lay_out(model, torch.contiguous_format)
    return torch.channels_last


def lay_out(model: GraphModule, layout: Layout) -> None:
    """Put the weights into that layout, in place."""
    model.to(memory_format=layout)  # type: ignore[call-overload]


def arranged(x: Tensor | Batch, layout: Layout) -> Batch:
    """The batch with its images in that layout."""
    return Batch.of(x).map(lambda t: t.contiguous(memory_format=layout) if t.ndim == 4 else t)
