"""The bootstrap that stands beside Student's interval."""

from __future__ import annotations

import math
import warnings

import numpy as np
from scipy import stats

from pipeline.bench.records import Interval
from pipeline.bench.trimmed import Floats, mean

MINIMUM_PAIRS = 3


def bca(logs: Floats, resamples: int, confidence: float) -> Interval | None:
    """BCa bootstrap interval of the trimmed mean log-ratio (Efron, JASA 1987), seeded.

    It assumes no shape of the spread, but is too narrow for few pairs: it is shown and decides
    nothing. Where it lies far from Student's interval, the pairs are skewed. None below three
    pairs, where it is degenerate (all log-ratios nearly equal), or without `resamples`.
    """
    if not resamples or len(logs) < MINIMUM_PAIRS or np.ptp(logs) < 1e-12:
        return None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        low, high = stats.bootstrap(
            (logs,), mean, n_resamples=resamples, confidence_level=confidence,
            method="BCa", vectorized=True, rng=np.random.default_rng(0),
        ).confidence_interval  # fmt: skip
    return (float(low), float(high)) if math.isfinite(low) and math.isfinite(high) else None
