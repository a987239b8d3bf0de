"""Is the candidate faster than the baseline? A rule whose rate of false alarms is known.

One process is one observation. Processes of a block are compared as a pair, so what both share
(drift, a throttled clock) cancels. See Georges et al., OOPSLA 2007; Kalibera & Jones,
ISMM 2013.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.bench.quantiles import CONFIDENCE
from pipeline.bench.records import Interval, Verdict

BAND = math.log(1.01)
"""Log-ratios within +-1 % are of no consequence."""
MINIMUM_PAIRS = 3
POWER = 0.8
_MOST_PAIRS = 100_000


@dataclass(frozen=True)
class Decision:
    """Candidate against baseline, as ratios of latency (below 1: the candidate is faster).

    `ratio` is the median over pairs, `interval` the paired-t interval that decides, `bootstrap`
    the BCa interval of the median that stands beside it. `pairs_needed` belongs to UNDECIDED.
    """

    ratio: float
    interval: Interval | None
    bootstrap: Interval | None
    pairs: int
    verdict: Verdict
    pairs_needed: int | None


def decide(
    baseline: Sequence[float],
    candidate: Sequence[float],
    band: float = BAND,
    resamples: int = 4999,
) -> Decision:
    """Judge two arms from the medians of their paired processes (same length, any unit, > 0).

    An interval inside the indifference band is EQUIVALENT, even if it leaves out a ratio of 1.
    Fewer than three pairs decide nothing.

    Raises:
        ValueError: no pairs, unequal lengths, or a median that is not positive.
    """
    first, second = np.asarray(baseline, float), np.asarray(candidate, float)
    if first.shape != second.shape or not len(first) or min(first.min(), second.min()) <= 0:
        raise ValueError("decide() needs at least one pair of positive medians")
    logs = np.log(second) - np.log(first)
    interval = t_interval(logs)
    verdict = _verdict(len(logs), interval, band)
    needed = pairs_needed(logs, band) if verdict is Verdict.UNDECIDED else None
    ratio = math.exp(float(np.median(logs)))
    return Decision(ratio, _exp(interval), _exp(bca(logs, resamples)), len(logs), verdict, needed)


def _verdict(pairs: int, interval: Interval | None, band: float) -> Verdict:
    if interval is None or pairs < MINIMUM_PAIRS:
        return Verdict.UNDECIDED
    low, high = interval
    if -band <= low and high <= band:
        return Verdict.EQUIVALENT
    if high < 0:
        return Verdict.FASTER
    return Verdict.SLOWER if low > 0 else Verdict.UNDECIDED


def t_interval(logs: NDArray[np.float64]) -> Interval | None:
    """Student's interval of the mean log-ratio; None for a single pair, whose spread is unknown."""
    if len(logs) < 2:
        return None
    mean, error = float(np.mean(logs)), float(stats.sem(logs))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(logs) - 1)) * error
    return mean - half, mean + half


def bca(logs: NDArray[np.float64], resamples: int) -> Interval | None:
    """BCa bootstrap interval of the median log-ratio (Efron, JASA 1987), seeded.

    None below three pairs or where the bootstrap is degenerate (all log-ratios nearly equal).
    """
    if len(logs) < MINIMUM_PAIRS or np.ptp(logs) < 1e-12:
        return None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        low, high = stats.bootstrap(
            (logs,), np.median, n_resamples=resamples, confidence_level=CONFIDENCE,
            method="BCa", rng=np.random.default_rng(0),
        ).confidence_interval  # fmt: skip
    return (float(low), float(high)) if math.isfinite(low) and math.isfinite(high) else None


def pairs_needed(logs: NDArray[np.float64], band: float = BAND) -> int | None:
    """Pairs that would settle it with 80 % power, if the spread and the effect are as seen.

    Settled means either an interval without a ratio of 1 or one inside the band, whichever is
    nearer. None for a single pair, whose spread is unknown.
    """
    if len(logs) < 2:
        return None
    mean, spread = abs(float(np.mean(logs))), float(np.std(logs, ddof=1))
    reach = max(mean, band - mean)
    count = max(MINIMUM_PAIRS, len(logs) + 1)
    while count < _MOST_PAIRS:
        sure = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) + stats.t.ppf(POWER, count - 1)
        if sure * spread / math.sqrt(count) <= reach:
            break
        count = math.ceil(max(count * 1.02, count + 1))
    return count


def _exp(interval: Interval | None) -> Interval | None:
    return None if interval is None else (math.exp(interval[0]), math.exp(interval[1]))
