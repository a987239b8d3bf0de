"""Is the candidate faster than the baseline? A rule whose rate of false alarms is known.

One process is one observation. Processes of a block are compared as a pair, so what both share
(drift, a throttled clock) cancels. See Georges et al., OOPSLA 2007; Kalibera & Jones,
ISMM 2013. `make benchmark-verdicts` measures the rule's error rates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.bench.bootstrap import bca
from pipeline.bench.holm import holm_levels
from pipeline.bench.power import pairs_needed
from pipeline.bench.quantiles import CONFIDENCE
from pipeline.bench.records import Interval, Verdict
from pipeline.bench.trimmed import Centre, Floats, centre

BAND = math.log(1.01)
"""Log-ratios within +-1 % are of no consequence."""
MINIMUM_PAIRS = 3
RESAMPLES = 4999
_FAR = 700.0

Medians = Sequence[float]


@dataclass(frozen=True)
class Decision:
    """Candidate against baseline, as ratios of latency (below 1: the candidate is faster).

    `ratio` is the trimmed mean over pairs, `interval` Student's interval of it, which decides, at
    `confidence`; `bootstrap` the BCa interval that stands beside it. `pairs_needed` belongs to
    UNDECIDED: the pairs of a new session, since adding pairs until a verdict appears would find
    one in noise.
    """

    ratio: float
    interval: Interval | None
    bootstrap: Interval | None
    pairs: int
    verdict: Verdict
    pairs_needed: int | None
    confidence: float = CONFIDENCE


def decide(
    baseline: Medians, candidate: Medians, band: float = BAND, resamples: int = RESAMPLES
) -> Decision:
    """Judge two arms from the medians of their paired processes (same length, any unit, > 0).

    Pairs stand in the order they were measured. An interval inside the indifference band is
    EQUIVALENT, even if it leaves out a ratio of 1; one that leaves out 1 and reaches beyond the
    band is FASTER or SLOWER. Fewer than three pairs decide nothing.

    Raises:
        ValueError: no pairs, unequal lengths, or a median that is not positive and finite.
    """
    return decide_all([(baseline, candidate)], band, resamples)[0]


def decide_all(
    arms: Sequence[tuple[Medians, Medians]], band: float = BAND, resamples: int = RESAMPLES
) -> list[Decision]:
    """Judge several candidates of one session; Holm's correction keeps the error rate of all.

    Raises:
        ValueError: see `decide`.
    """
    logs = [log_ratios(*pair) for pair in arms]
    centres = [centre(each) if len(each) > 1 else None for each in logs]
    p_values = [1.0 if found is None else float(found.p_value()) for found in centres]
    levels = holm_levels(p_values, 1 - CONFIDENCE)
    return [
        _decision(each, found, 1 - level, band, resamples)
        for each, found, level in zip(logs, centres, levels, strict=True)
    ]


def log_ratios(baseline: Medians, candidate: Medians) -> Floats:
    """Log of candidate over baseline, pair by pair. Raises ValueError, see `decide`."""
    first, second = np.asarray(baseline, float), np.asarray(candidate, float)
    if first.shape != second.shape or not len(first) or not _positive(first, second):
        raise ValueError("decide() needs at least one pair of positive medians")
    return np.asarray(np.log(second) - np.log(first))


def _positive(*medians: Floats) -> bool:
    return all(bool(np.isfinite(each).all()) and each.min() > 0 for each in medians)


def _decision(
    logs: Floats, found: Centre | None, confidence: float, band: float, resamples: int
) -> Decision:
    if found is None:
        return Decision(_exp(float(logs[0])), None, None, 1, Verdict.UNDECIDED, None, confidence)
    mean, half = float(found.mean), float(found.half_width(confidence))
    interval = (mean - half, mean + half)
    verdict = judge(interval, band) if len(logs) >= MINIMUM_PAIRS else Verdict.UNDECIDED
    needed = None
    if verdict is Verdict.UNDECIDED:
        needed = max(MINIMUM_PAIRS, pairs_needed(found, len(logs), band, confidence))
    beside = bca(logs, resamples, confidence)
    return Decision(
        _exp(mean), _ratios(interval), _ratios(beside), len(logs), verdict, needed, confidence
    )


def judge(interval: Interval, band: float = BAND) -> Verdict:
    """The verdict of an interval of the log-ratio."""
    low, high = interval
    if -band <= low and high <= band:
        return Verdict.EQUIVALENT
    if high < 0:
        return Verdict.FASTER
    return Verdict.SLOWER if low > 0 else Verdict.UNDECIDED


def _ratios(interval: Interval | None) -> Interval | None:
    return None if interval is None else (_exp(interval[0]), _exp(interval[1]))


def _exp(log: float) -> float:
    """Two pairs of nonsense can ask for more than a float holds."""
    return math.exp(min(max(log, -_FAR), _FAR))
