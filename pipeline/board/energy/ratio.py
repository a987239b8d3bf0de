"""The ratio of two energies that one sensor measured in one session."""

from __future__ import annotations

import math

from pipeline.board.energy.block import Figure
from pipeline.board.energy.uncertainty import Term, combine

SHARED_GAIN, SHARED_OFFSET = "gain", "offset"


def energy_ratio(candidate: Figure, baseline: Figure) -> Figure | None:
    """Candidate over baseline, with what the two have in common left out or set against each other.

    The sensor's gain error is the same factor in both and cancels. Its offset is the same number
    of watts in both: it does not, unless the energies are equal. All else is independent. None
    where the baseline is not clearly above zero.
    """
    low, _ = baseline.interval
    if low <= 0:
        return None
    value = candidate.value / baseline.value
    terms = [
        *_own(candidate, 1 / baseline.value),
        *_own(baseline, value / baseline.value),
        *_offset(candidate, baseline, value),
    ]
    return Figure(value, combine(terms))


def _own(figure: Figure, factor: float) -> list[Term]:
    shared = (SHARED_GAIN, SHARED_OFFSET)
    return [t.scaled(factor) for t in figure.uncertainty.terms if t.name not in shared]


def _offset(candidate: Figure, baseline: Figure, value: float) -> list[Term]:
    """(C + o) / (B + o) changes by o * (1 - C / B) / B."""
    found = [_named(figure, SHARED_OFFSET) for figure in (candidate, baseline)]
    if found[0] is None or found[1] is None:
        return []
    u = abs(found[0].u - value * found[1].u) / baseline.value
    return [Term(SHARED_OFFSET, u, found[0].shape)] if not math.isclose(u, 0.0) else []


def _named(figure: Figure, name: str) -> Term | None:
    return next((term for term in figure.uncertainty.terms if term.name == name), None)
