"""From what a tensor's values were to the range that int8 is to cover; one function a method.

All take a histogram over calibration samples and give `(low, high)`. A range always holds 0, which
TFLite must represent exactly (TensorFlow Lite 8-bit quantization specification).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

BINS = 2048
LEVELS = 255
SHARE = 1e-5  # of the values that `percentile` lets clip on each side
SHRINKS = np.geomspace(0.02, 1.0, 64)  # parts of the full range that the searches try

Range = tuple[float, float]


@dataclass(frozen=True)
class Histogram:
    """`counts` of values in BINS equal bins from `start` to `stop`; `low`, `high`: the extremes."""

    low: float
    high: float
    start: float
    stop: float
    counts: NDArray[np.float64]

    @cached_property
    def centres(self) -> NDArray[np.floating]:
        """Middle of each bin."""
        width = (self.stop - self.start) / len(self.counts)
        return self.start + width * (np.arange(len(self.counts), dtype=np.float64) + 0.5)

    def __add__(self, other: Histogram) -> Histogram:
        low, high = min(self.low, other.low), max(self.high, other.high)
        return Histogram(low, high, self.start, self.stop, self.counts + other.counts)

    def within(self, low: float, high: float) -> Histogram:
        """The part between two values: what lies outside costs nothing, clipped or not."""
        counts = np.where((self.centres >= low) & (self.centres <= high), self.counts, 0)
        lowest, highest = (min(max(end, low), high) for end in (self.low, self.high))
        return Histogram(lowest, highest, self.start, self.stop, counts)


def minmax(seen: Histogram) -> Range:
    """Everything that was seen: nothing clips, one outlier widens every step."""
    return min(seen.low, 0.0), max(seen.high, 0.0)


def percentile(seen: Histogram) -> Range:
    """All but the outermost `SHARE` of the values on either side."""
    if not seen.counts.sum():
        return minmax(seen)
    share = np.cumsum(seen.counts) / seen.counts.sum()
    first, last = np.searchsorted(share, [SHARE, 1 - SHARE])
    centres, (low, high) = seen.centres, minmax(seen)
    last = min(int(last), len(centres) - 1)
    return min(max(low, centres[first]), 0.0), max(min(high, centres[last]), 0.0)


def mse(seen: Histogram) -> Range:
    """The range with the least squared error: clipped values, and a uniform error of one step.

    Banner et al., Post-training 4-bit quantization of convolution networks, NeurIPS 2019.
    """
    return _least(seen, _squared_error)


def entropy(seen: Histogram) -> Range:
    """The range whose 255 levels keep most of the distribution (Kullback-Leibler divergence).

    Migacz, 8-bit Inference with TensorRT, GTC 2017; the clipped values count as the outermost.
    """
    return _least(seen, _divergence)


METHODS: dict[str, Callable[[Histogram], Range]] = {
    "minmax": minmax,
    "percentile": percentile,
    "mse": mse,
    "entropy": entropy,
}


def _least(seen: Histogram, cost: Callable[[Histogram, Range], float]) -> Range:
    """The part of the full range with the lowest cost; the widest among equals."""
    low, high = minmax(seen)
    if not high > low or not seen.counts.sum():
        return low, high
    tries = [(low * part, high * part) for part in SHRINKS]
    costs = [cost(seen, given) for given in tries]
    return tries[len(costs) - 1 - int(np.argmin(costs[::-1]))]


def _squared_error(seen: Histogram, given: Range) -> float:
    low, high = given
    clipped = seen.centres - np.clip(seen.centres, low, high)
    step = (high - low) / LEVELS
    return float(seen.counts @ (clipped**2 + step**2 / 12)) / float(seen.counts.sum())


def _divergence(seen: Histogram, given: Range) -> float:
    """KL divergence of the levels' distribution from the clipped one."""
    low, high = given
    first, end = seen.centres.searchsorted(low), seen.centres.searchsorted(high, "right")
    if end - first < 2 * LEVELS:  # a level of one bin keeps everything, and says nothing
        return float("inf")
    counts, centres = seen.counts[first:end], seen.centres[first:end]
    want = counts.copy()
    want[0] += seen.counts[:first].sum()
    want[-1] += seen.counts[end:].sum()
    level = ((centres - low) / (high - low) * LEVELS).astype(int).clip(0, LEVELS - 1)
    known = counts > 0
    mass = np.bincount(level, counts, LEVELS)
    members = np.bincount(level, known, LEVELS)
    kept = np.where(known, (mass / np.maximum(members, 1))[level], 0)
    p, q = want / want.sum(), kept / max(kept.sum(), 1e-30)
    both = p > 0
    return float(np.sum(p[both] * np.log(p[both] / np.maximum(q[both], 1e-12))))
