"""Which of several files of one model to take: the fastest that is accurate enough.

Only what was measured beside the model's own float file, in one session, can be taken in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.bench.records import Comparison, Verdict


@dataclass(frozen=True)
class Offer:
    """A candidate. `missing` says why it may not be taken (too inaccurate, does not run)."""

    name: str
    size_bytes: int
    comparison: Comparison | None = None
    missing: str = ""


@dataclass(frozen=True)
class Choice:
    """The name that was taken, and for each offer why it was or was not."""

    name: str
    why: dict[str, str]


def choose(baseline: Offer, others: Sequence[Offer]) -> Choice:
    """Take the fastest offer whose verdict is FASTER; else the smallest EQUIVALENT one.

    Where there is neither, the baseline stays: what is SLOWER or UNDECIDED is never taken.
    """
    usable = [one for one in others if not one.missing and one.comparison is not None]
    faster = [one for one in usable if _verdict(one) is Verdict.FASTER]
    equal = [one for one in usable if _verdict(one) is Verdict.EQUIVALENT]
    smaller = [one for one in equal if one.size_bytes < baseline.size_bytes]
    taken = baseline
    if faster:
        taken = min(faster, key=_ratio)
    elif smaller:
        taken = min(smaller, key=lambda one: one.size_bytes)
    why = {one.name: _why(one, taken) for one in (baseline, *others)}
    if taken is baseline and any(_verdict(one) is Verdict.INVALID for one in usable):
        why[baseline.name] = "the session is INVALID, nothing in it can be compared: measure again"
    return Choice(taken.name, why)


def _verdict(one: Offer) -> Verdict | None:
    return one.comparison.verdict if one.comparison else None


def _ratio(one: Offer) -> float:
    return one.comparison.ratio if one.comparison else 1.0


def _why(one: Offer, taken: Offer) -> str:
    if one is taken:
        verdict = _verdict(one)
        return "nothing else is faster and accurate enough" if verdict is None else f"{verdict}"
    if one.missing:
        return one.missing
    verdict = _verdict(one)
    if verdict is None:
        return f"{taken.name} is better"
    if verdict not in (Verdict.FASTER, Verdict.EQUIVALENT):
        return f"{verdict} against its own fp32"
    return f"{verdict}, but {taken.name} is better"
