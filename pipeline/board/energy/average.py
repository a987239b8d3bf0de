"""Several blocks of the same work as one figure for one inference."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from pipeline.board.energy.block import Figure
from pipeline.board.energy.uncertainty import Term, combine

SYSTEMATIC = ("gain", "offset", "resolution", "idle resolution")
"""Errors that are the same in every block, and that no number of blocks averages away."""


def average(figures: Sequence[Figure], factors: Sequence[float]) -> Figure:
    """The mean of `figures` times their `factors` (such as 1 / inferences).

    The random part is what the budgets say or what the blocks show, whichever is more: blocks may
    scatter by more than any single one can know (a fan, a daemon, the board's temperature).
    """
    scaled = [(f.value * x, [t.scaled(x) for t in f.uncertainty.terms])
              for f, x in zip(figures, factors, strict=True)]  # fmt: skip
    count = len(scaled)
    terms = list(_systematic(scaled))
    own = [t for _, budget in scaled for t in budget if t.name not in SYSTEMATIC]
    expected = math.hypot(*(t.u for t in own)) / count if own else 0.0
    values = [value for value, _ in scaled]
    seen = statistics.stdev(values) / math.sqrt(count) if count > 1 else 0.0
    if seen > expected:
        terms.append(Term("blocks", seen, dof=count - 1))
    else:
        terms += [t.scaled(1 / count) for t in own]
    return Figure(statistics.fmean(values), combine(terms))


def _systematic(scaled: Sequence[tuple[float, list[Term]]]) -> list[Term]:
    """Means of the terms that the blocks share."""
    found = []
    for name in SYSTEMATIC:
        same = [t for _, budget in scaled for t in budget if t.name == name]
        if same:
            u = sum(t.u for t in same) / len(scaled)
            found.append(Term(name, u, same[0].shape))
    return found
