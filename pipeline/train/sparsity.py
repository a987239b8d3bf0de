"""A penalty that pulls whole channels towards zero while training, so that pruning costs less."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.fx import GraphModule

from pipeline.models.graph import named_tensors
from pipeline.prune.families import Family, families
from pipeline.prune.shuffles import untie
from pipeline.prune.trace import Trace
from pipeline.train.loop import Loss

STEEPNESS = 4.0
"""The weakest channel of a family is pulled 2**4 times as hard as the strongest."""


def penalised(loss: Loss, graph: GraphModule, weight: float) -> Loss:
    """`loss` plus `weight` times the group penalty; `loss` itself where the weight is 0."""
    if weight == 0:
        return loss
    penalty = group_penalty(graph)
    return lambda x, outputs, targets: loss(x, outputs, targets) + weight * penalty()


def group_penalty(graph: GraphModule) -> Callable[[], Tensor]:
    """Sum over channels of strength * squared norm, all coupled tensors of a channel together.

    Sparse training of Fang et al. (2023, DepGraph, arXiv:2301.12900): the strength is
    2^(4 (max - norm) / (max - min)), so that weak channels vanish and strong ones stay. It is taken
    from the weights anew at each call, and nothing else is remembered. Channels are those that
    pruning sees, which turns shuffles that would tie all of them into permutations.
    """
    live = named_tensors(graph)
    found = families(Trace(untie(graph)), live)

    def penalty() -> Tensor:
        return torch.stack([_of(family) for family in found]).sum()

    return penalty if found else lambda: torch.zeros(())


def _of(family: Family) -> Tensor:
    squares = [
        family.tensors[m.tensor]
        .movedim(m.axis, 0)
        .index_select(0, m.positions.reshape(-1))
        .reshape(family.width, -1)
        .square()
        .sum(1)
        for m in family.members
        if isinstance(family.tensors[m.tensor], torch.nn.Parameter)
    ]
    total = torch.stack(squares).sum(0)
    norm = total.detach().sqrt()
    span = (norm.max() - norm.min()).clamp_min(1e-12)
    strength = 2 ** (STEEPNESS * (norm.max() - norm) / span)
    return (strength * total).sum()
