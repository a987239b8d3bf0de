"""Quantiles of latency with exact binomial intervals, the process being the unit.

Iterations of one process share its memory layout, clock and neighbours, so pooling them as if they
were independent gives intervals that are far too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from pipeline.bench.records import Interval

CONFIDENCE = 0.95

Samples = Sequence[Sequence[float]]


def order_ranks(count: int, q: float) -> tuple[int, int] | None:
    """Ranks (from 1) of the two order statistics that enclose quantile `q` 95 % of the time.

    None where `count` values are too few: below 6 for the median, 36 for p90, 368 for p99.
    Source: David & Nagaraja, Order Statistics, 2003, section 7.1.
    """
    if count < 1:
        return None
    half = (1 - CONFIDENCE) / 2
    low = int(stats.binom.ppf(half, count, q))
    high = int(stats.binom.ppf(1 - half, count, q)) + 1
    return (low, high) if low >= 1 and high <= count else None


def median_interval(values: Sequence[float]) -> Interval | None:
    """Order-statistic interval of the median of independent values; None below six."""
    ranks = order_ranks(len(values), 0.5)
    if ranks is None:
        return None
    ordered = sorted(values)
    return float(ordered[ranks[0] - 1]), float(ordered[ranks[1] - 1])


def tail(processes: Samples, q: float) -> tuple[float, Interval | None]:
    """Quantile `q` of all iterations, and its interval; None where they are too few.

    The interval's ranks are those of the effective number of iterations (Korn & Graubard, Survey
    Methodology 1998), stretched over all of them (Woodruff, JASA 1952).
    """
    pooled = np.sort(np.concatenate([np.asarray(p, float) for p in processes]))
    value = float(np.quantile(pooled, q))
    effective = effective_count(processes, value, q)
    ranks = order_ranks(effective, q)
    if ranks is None or len(processes) < 2:
        return value, None
    stretch = len(pooled) / effective
    low, high = math.floor(ranks[0] * stretch), math.ceil(ranks[1] * stretch)
    return value, (float(pooled[max(low, 1) - 1]), float(pooled[min(high, len(pooled)) - 1]))


def effective_count(processes: Samples, value: float, q: float) -> int:
    """How many independent iterations know the share at or below `value` as well as these do.

    The spread of that share between processes carries all their correlation; a factor for the
    few degrees of freedom of that spread is included.
    """
    sizes = np.array([len(p) for p in processes], float)
    total, groups = sizes.sum(), len(sizes)
    if groups < 2:
        return int(total)
    shares = np.array([np.mean(np.asarray(p, float) <= value) for p in processes])
    parts = sizes * (shares - np.average(shares, weights=sizes)) / total
    variance = groups / (groups - 1) * float(np.sum(parts**2))
    few = (stats.t.ppf(0.975, total - 1) / stats.t.ppf(0.975, groups - 1)) ** 2
    return int(total if variance == 0 else min(total, q * (1 - q) / variance * few))
