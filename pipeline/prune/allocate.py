"""How many channels each family should keep when a share of all goes; before any rounding.

A scope is a function from the share that goes, 0 to 1, to {family name: channels that stay}. It
falls as the share grows, so that a budget can be met by searching for the share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, fx

from pipeline.prune.evidence import first_names
from pipeline.prune.families import Family
from pipeline.prune.rules import name_of

Widths = dict[str, int]
Scope = Callable[[float], Widths]
Scores = Mapping[str, Tensor]

_ROUNDING = 1e-9
"""A share that comes from powers (rounds) is a whole number but for the last bits."""


def local(found: Sequence[Family], dense: Mapping[str, int]) -> Scope:
    """The same share of every family; `dense` are the widths that the share is taken of."""

    def widths(share: float) -> Widths:
        return {f.name: dense[f.name] - int(dense[f.name] * share + _ROUNDING) for f in found}

    return widths


def global_(found: Sequence[Family], scores: Scores, dense: Mapping[str, int]) -> Scope:
    """A share of all channels, the lowest scores first wherever they are.

    Scores are divided by their family's mean, so that layers of different sizes compare.
    """
    relative = {n: s / s.mean().clamp_min(1e-30) for n, s in scores.items()}
    return _lowest_first(found, relative, dense)


def isomorphic(
    found: Sequence[Family], scores: Scores, dense: Mapping[str, int], graph: fx.GraphModule
) -> Scope:
    """A share of each set of families of one structure, their scores compared as they are.

    Fang et al. (2024, arXiv:2407.04616): scores of different structures follow different
    distributions; those of the same one may be ranked together.
    """
    sets: dict[object, list[Family]] = {}
    operators = _operators(graph)
    for family in found:
        sets.setdefault(structure(family, operators), []).append(family)
    scopes = [_lowest_first(families, scores, dense) for families in sets.values()]

    def widths(share: float) -> Widths:
        return {name: width for scope in scopes for name, width in scope(share).items()}

    return widths


def structure(family: Family, operators: Mapping[str, tuple[str, ...]]) -> object:
    """What two families must share to be isomorphic: who reads which axis of which tensors."""
    return tuple(
        sorted(
            (operators.get(m.tensor, ()), m.axis, family.tensors[m.tensor].dim())
            for m in family.members
        )
    )


def _operators(graph: fx.GraphModule) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for node, name in first_names(graph).items():
        calls = {name_of(user) for user in node.users if user.op == "call_function"}
        found.setdefault(name, set()).update(calls)
    return {name: tuple(sorted(calls)) for name, calls in found.items()}


def _lowest_first(found: Sequence[Family], scores: Scores, dense: Mapping[str, int]) -> Scope:
    everything = torch.cat([scores[f.name] for f in found])
    order = torch.argsort(everything, stable=True)
    total = sum(dense[f.name] for f in found)
    already = total - len(everything)

    def widths(share: float) -> Widths:
        gone = torch.zeros(len(everything), dtype=torch.bool)
        gone[order[: max(int(total * share + _ROUNDING) - already, 0)]] = True
        stay, start = {}, 0
        for family in found:
            stay[family.name] = int((~gone[start : start + family.width]).sum())
            start += family.width
        return stay

    return widths
