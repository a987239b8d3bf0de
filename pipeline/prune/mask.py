"""The dense model with the removed channels zeroed: what a plan means, without any labels."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import torch

from pipeline.models.graph import named_tensors
from pipeline.prune.plan import removed


def mask(
    module: torch.nn.Module, plan: Mapping[str, Any], divisors: Container[str] = ()
) -> None:  # fmt: skip
    """Zero, in place, every place of every member tensor that the plan removes.

    A consumer's weights are members too, so a removed channel reaches nothing, whatever value an
    activation gives it. Works on a graph and on the user's own module: the names are the same.
    Tensors that something is divided by are one there: a quotient by zero is no number.
    """
    tensors = named_tensors(module)
    with torch.no_grad():
        for name, axis, places in removed(plan):
            tensors[name].index_fill_(axis, places, float(name in divisors))
