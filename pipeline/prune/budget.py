"""Meet a budget: the smallest share of channels whose removal brings the cost down to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, fx
from torch.nn import Parameter

from pipeline.errors import Refused
from pipeline.models.graph import named_tensors
from pipeline.prune.allocate import Scope, Widths
from pipeline.prune.cost import int8_size, macs_by_node
from pipeline.prune.families import Family
from pipeline.prune.resize import Resizer
from pipeline.prune.trace import Trace

SEARCH_STEPS = 16
"""Halvings of the share: finer than one channel in 65,536."""

Cost = Callable[[Widths], int]


def meet(scope: Scope, cost: Cost, budget: int, what: str) -> Widths:
    """The widths at the smallest share whose cost is within the budget.

    Raises:
        Refused: no share is enough; says the closest budget that is.
    """
    known: dict[tuple[int, ...], int] = {}

    def of(share: float) -> int:
        key = tuple(scope(share).values())
        if key not in known:
            known[key] = cost(scope(share))
        return known[key]

    low, high = 0.0, 1.0
    if (least := of(high)) > budget:
        fix = f"the closest that can be met is {what} = {least}"
        raise Refused(f"a budget of {budget:,} {what} cannot be met", fix=fix)
    if of(low) <= budget:
        return scope(low)
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if of(middle) <= budget else (middle, high)
        if scope(low) == scope(high):
            break
    return scope(high)


def tensor_shapes(
    found: Sequence[Family], tensors: Mapping[str, Tensor], widths: Widths
) -> list[list[int]]:
    """Shapes of all learned tensors once the families have these widths; nothing is rewritten."""
    shapes = {id(t): list(t.shape) for t in tensors.values() if isinstance(t, Parameter)}
    for family in found:
        for member in family.members:
            shape = shapes.get(id(tensors[member.tensor]))
            if shape is not None:
                gone = family.width - widths.get(family.name, family.width)
                shape[member.axis] -= gone * member.positions.shape[1]
    return list(shapes.values())


def costs(graph_module: fx.GraphModule, trace: Trace, found: Sequence[Family]) -> dict[str, Cost]:
    """{budget: its cost as a function of widths}; widths not named stay as they are."""
    tensors = named_tensors(graph_module)

    def macs_of(widths: Widths) -> int:
        gone = [f.labels[widths.get(f.name, f.width) :] for f in found]
        return sum(macs_by_node(graph_module, Resizer(trace, torch.cat(gone)).sizes()).values())

    return {
        "params": lambda widths: _count(tensor_shapes(found, tensors, widths)),
        "size": lambda widths: int8_size(tensor_shapes(found, tensors, widths)),
        "macs": macs_of,
    }


def _count(shapes: Iterable[Sequence[int]]) -> int:
    return sum(math.prod(shape) for shape in shapes)
