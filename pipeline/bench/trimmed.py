"""The centre of paired log-ratios, and how well it is known.

One throttled process makes one wild pair, and one wild pair makes Student's interval useless. So
pairs at both ends count less: a smoothly trimmed mean, whose weights fall off gradually because a
sharp edge between two clusters of values gives intervals that are too narrow (Stigler, The
Annals of Statistics 1973). Its standard error is that of the trimmed mean (Tukey & McLaughlin,
Sankhya A 1963). Below nine pairs nothing is trimmed, and all of this is plain Student's t.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

OUTER, INNER = 0.15, 0.30
"""Below the first share of the ordered pairs a weight is 0, from the second one on it is 1."""


@dataclass(frozen=True)
class Centre:
    """Mean log-ratio over the last axis, its standard error, and that one's degrees of freedom."""

    mean: Floats
    error: Floats
    freedom: float

    def half_width(self, confidence: float) -> Floats:
        """Half of Student's interval."""
        return np.asarray(stats.t.ppf((1 + confidence) / 2, self.freedom) * self.error)

    def p_value(self) -> Floats:
        """Two-sided, of a mean of 0; an exact 0 of a sample without spread gives 1."""
        with np.errstate(divide="ignore", invalid="ignore"):
            p = 2 * stats.t.sf(np.abs(self.mean / self.error), self.freedom)
        return np.where(np.isnan(p), 1.0, p)


def centre(logs: Floats) -> Centre:
    """Of log-ratios (..., pairs) in the order they were measured, at least two pairs.

    The order matters: a block and its mirror image (ABBA) share the noise in their middle, which
    can make neighbouring pairs alike. What correlation is seen between them widens the error.
    """
    count = logs.shape[-1]
    gaps = gap_weights(count)
    order = np.argsort(logs, axis=-1)
    ordered = np.take_along_axis(logs, order, axis=-1)
    squeezed = np.empty_like(ordered)
    np.put_along_axis(squeezed, order, _squeeze(ordered, gaps), axis=-1)
    effective = 1 + float(gaps.sum())
    spread = np.std(squeezed, axis=-1, ddof=1) * math.sqrt(count - 1)
    error = spread / math.sqrt(effective * (effective - 1))
    return Centre(mean(logs), error * np.sqrt(1 + _mirrored(squeezed)), effective - 1)


def mean(logs: Floats, axis: int = -1) -> Floats:
    """The smoothly trimmed mean along an axis."""
    ordered = np.sort(np.moveaxis(np.asarray(logs, float), axis, -1), axis=-1)
    ends = np.pad(gap_weights(ordered.shape[-1]), 1)
    weights = np.maximum(ends[1:], ends[:-1])
    return np.asarray(ordered @ weights / weights.sum())


@functools.cache
def gap_weights(count: int) -> Floats:
    """Weight of each gap between neighbours in the ordered sample, (count - 1,), 0 to 1.

    No more values are cut off than a sign test at 5 % could spare: with differences that take
    two values only, cutting off the rarer one would leave a sample without any spread.
    """
    spare = int(stats.binom.ppf(0.025, count, 0.5)) - 1
    inner = min(math.ceil(INNER * count), spare + 1)
    outer = min(int(OUTER * count), inner - 1)
    if outer < 1:
        return np.ones(count - 1)
    rank = np.arange(1, count)
    return np.clip((np.minimum(rank, count - rank) - outer) / (inner - outer), 0, 1)


def freedom(count: int) -> float:
    """Degrees of freedom that so many pairs have."""
    return float(gap_weights(count).sum())


def _squeeze(ordered: Floats, gaps: Floats) -> Floats:
    """The ordered sample with its gaps shrunk by their weights: a gradual winsorization."""
    first = np.zeros_like(ordered[..., :1])
    return np.concatenate([first, np.cumsum(np.diff(ordered, axis=-1) * gaps, axis=-1)], axis=-1)


def _mirrored(values: Floats) -> Floats:
    """Correlation of the 1st and 2nd, 3rd and 4th ... pairs; 0 where it is negative.

    Taken around the sample's own mean, it is 1 / (pairs - 1) too small.
    """
    count = values.shape[-1]
    even = count // 2 * 2
    off = values - values.mean(axis=-1, keepdims=True)
    both = np.mean(off[..., 0:even:2] * off[..., 1:even:2], axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = both / np.mean(off**2, axis=-1)
    return np.maximum(0, np.where(np.isnan(share), 0, share + 1 / (count - 1)))
