"""Where a series changes its level: least squares with a price for each change, exactly minimal.

The same minimum that PELT finds (Killick et al., JASA 2012), by plain dynamic programming: a
series here has at most 64 points, and many are segmented at once.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHORTEST = 3
"""Points of the shortest level; or a tenth of the series, so that no burst of spikes is one."""
PRICE = 6.0
QUARTILE = 1.1503
"""Of the absolute value of a standard normal variable."""
NOISE_FLOOR = 5e-4
MOST_CORRELATION = 0.95


def segments(series: Floats, rho: Floats) -> list[list[tuple[int, int]]]:
    """(start, stop) of the levels in each row of log-latencies (rows, points).

    Correlated noise wanders like changes of level, so its first-order part, `rho` (rows,), is
    removed first. Spikes are removed from what is cut into levels, and left in the noise that a
    level has to stand out from.
    """
    rows, points = series.shape
    if points < 2 * SHORTEST + 1:
        return [[(0, points)]] * rows
    scale = np.maximum(_noise(_whitened(series, rho)), NOISE_FLOOR)
    white = _whitened(without_spikes(series), rho)
    last = _last_changes(white / scale[:, None], PRICE * math.log(points))
    return [_walk_back(row, points) for row in last]


def _whitened(series: Floats, rho: Floats) -> Floats:
    """Each point less its prediction from the one before; a step keeps its height."""
    share = rho[:, None]
    return np.asarray((series[:, 1:] - share * series[:, :-1]) / (1 - share))


def correlation(series: Floats) -> Floats:
    """First-order correlation of the noise in each row, from medians of differences (rows,).

    Neither spikes nor changes of level enter it (Chakar et al., Bernoulli 2017, section 2.2). It
    is rough for one short row: take the median over rows of one machine.
    """
    one = np.median(np.abs(series[:, 1:] - series[:, :-1]), axis=1)
    two = np.median(np.abs(series[:, 2:] - series[:, :-2]), axis=1)
    ratio = np.divide(two, one, out=np.ones_like(one), where=one > 0)
    return np.asarray(np.clip(ratio**2 - 1, 0, MOST_CORRELATION))


def without_spikes(series: Floats) -> Floats:
    """Single points far from the median of their five neighbours take that median (Hampel)."""
    padded = np.pad(series, ((0, 0), (2, 2)), mode="reflect")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5, axis=1), axis=-1)
    off = np.abs(series - middle)
    scale = 1.4826 * np.median(off, axis=1, keepdims=True)
    return np.where(off > 3 * np.maximum(scale, NOISE_FLOOR), middle, series)


def _noise(series: Floats) -> Floats:
    """Standard deviation from the upper quartile of differences of neighbours.

    The quartile, and not the median, so that noise which jumps between two levels counts in full;
    the few changes of level lie above it.
    """
    steps = np.abs(np.diff(series, axis=1))
    return np.asarray(np.quantile(steps, 0.75, axis=1) / (QUARTILE * math.sqrt(2)))


def _last_changes(series: Floats, price: float) -> NDArray[np.intp]:
    """(rows, points + 1): where the last segment begins in the best cut of the first t points."""
    rows, points = series.shape
    shortest = max(SHORTEST, points // 10)
    sums = np.pad(np.cumsum(series, axis=1), ((0, 0), (1, 0)))
    squares = np.pad(np.cumsum(series**2, axis=1), ((0, 0), (1, 0)))
    best = np.full((rows, points + 1), np.inf)
    best[:, 0] = -price
    last = np.zeros((rows, points + 1), np.intp)
    for stop in range(shortest, points + 1):
        starts = np.arange(0, stop - shortest + 1)
        total = sums[:, stop, None] - sums[:, starts]
        cost = squares[:, stop, None] - squares[:, starts] - total**2 / (stop - starts)
        cost += best[:, starts] + price
        last[:, stop] = np.argmin(cost, axis=1)
        best[:, stop] = np.take_along_axis(cost, last[:, stop, None], axis=1)[:, 0]
    return last


def _walk_back(last: NDArray[np.intp], points: int) -> list[tuple[int, int]]:
    """Segments of the series; the whitened one lacks its first point."""
    bounds, stop = [points], len(last) - 1
    while last[stop] > 0:
        stop = int(last[stop])
        bounds.append(stop + 1)
    return list(itertools.pairwise([0, *reversed(bounds)]))
