"""Data parallel training under `torchrun`: RANK and WORLD_SIZE, and nothing to configure.

Alone, every function here does nothing and imports nothing.
"""

from __future__ import annotations

import datetime
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

LONGEST_WAIT = datetime.timedelta(hours=12)


def rank() -> int:
    """This process's number, 0 without torchrun."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes train together, 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def meet() -> None:
    """Wait until every process is here."""
    if world_size() > 1:
        _group().barrier()


def first_says(value: bool) -> bool:
    """What the first process says, for all of them."""
    if world_size() == 1:
        return value
    said = [value]
    _group().broadcast_object_list(said)
    return said[0]


def average_gradients(model: nn.Module) -> None:
    """Every process goes on with the mean of all gradients, which is the whole batch's."""
    _average([p.grad for p in model.parameters() if p.grad is not None])


def average_buffers(model: nn.Module) -> None:
    """Every process goes on with the mean of all batch norm statistics."""
    _average([b for b in model.buffers() if b.is_floating_point()])


def _average(tensors: list[Tensor]) -> None:
    if world_size() == 1:
        return
    for tensor in tensors:
        _group().all_reduce(tensor)
        tensor /= world_size()


def _group() -> Any:
    """torch.distributed, joined on first use."""
    import torch.distributed as group

    if not group.is_initialized():
        group.init_process_group("gloo", timeout=LONGEST_WAIT)
    return group
