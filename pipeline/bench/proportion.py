"""A metric over test samples with its interval."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.bench.quantiles import CONFIDENCE
from pipeline.bench.records import Interval

Metric = Callable[[NDArray[np.float32], NDArray[np.generic]], float]


def exact_interval(share: float, count: int) -> Interval | None:
    """Clopper-Pearson interval of a share of `count` independent samples (Biometrika 1934)."""
    if count < 1:
        return None
    hits, half = round(share * count), (1 - CONFIDENCE) / 2
    low = float(stats.beta.ppf(half, hits, count - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(1 - half, hits + 1, count - hits)) if hits < count else 1.0
    return low, high


def resampled_interval(
    metric: Metric,
    outputs: NDArray[np.float32],
    targets: NDArray[np.generic],
    resamples: int = 500,
) -> Interval | None:
    """Percentile bootstrap interval of any metric, over samples (first axis of both arrays).

    None for fewer than two samples, or where a resample leaves the metric undefined.
    """
    if len(targets) < 2:
        return None
    chance = np.random.default_rng(0)
    picks = (chance.integers(0, len(targets), len(targets)) for _ in range(resamples))
    values = np.array([metric(outputs[pick], targets[pick]) for pick in picks], float)
    if not np.isfinite(values).all():
        return None
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
