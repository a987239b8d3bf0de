"""The mean power of a window of time, by quadrature over the readings that lie inside of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.board.energy.trace import Floats, Times, Trace

LEAST = 8
"""Readings that a window needs: with fewer, neither its mean nor its noise means anything."""
WIDEST_GAP = 0.3
"""Share of a window without a reading from which on it has no figure."""
UNRESOLVED, RESOLVED = 1 / 2, 1 / 12
EDGE = 1 / 3


@dataclass(frozen=True)
class Window:
    """Readings inside a window: `times` from its middle and `weights` in s, `gaps` in s.

    `weights` sum to the window's length: mean power is their mean. `gaps` are the times that the
    quadrature bridges: from the begin to the first reading, between readings, to the end.
    """

    seconds: float
    times: Floats
    watts: Floats
    weights: Floats
    gaps: Floats
    counter: bool
    unseen: float

    @property
    def mean_w(self) -> float:
        """Mean power."""
        return float(self.weights @ self.watts) / self.seconds

    @property
    def effective(self) -> float:
        """How many readings of equal weight would have the same variance of their mean."""
        return float(self.seconds**2 / (self.weights**2).sum())


def window(trace: Trace, begin_ns: int, end_ns: int, guard_s: float = 0.0) -> Window | None:
    """Readings that lie wholly inside, `guard_s` away from both ends; the ends hold their power.

    A reading that straddles an edge mixes two powers, one within the clock's error of it may: both
    are left out. None when the trace does not span the window, or leaves a wide gap in it.
    """
    guard_ns = round(guard_s * 1e9)
    inside = (trace.begin_ns >= begin_ns + guard_ns) & (trace.end_ns <= end_ns - guard_ns)
    seconds = (end_ns - begin_ns) * 1e-9
    if not trace.spans(begin_ns, end_ns) or inside.sum() < LEAST:
        return None
    starts, ends = (_seconds(t[inside] - begin_ns) for t in (trace.begin_ns, trace.end_ns))
    centres = (starts + ends) / 2
    if trace.counter:
        gaps = np.zeros(len(starts) + 1)
        gaps[[0, -1]] = starts[0], seconds - ends[-1]
        weights = _of_intervals(starts, ends, gaps)
        widest = max(gaps.max(), (ends - starts).max())
    else:
        gaps = np.diff(centres, prepend=0.0, append=seconds)
        weights = _of_points(gaps)
        widest = gaps.max()
    if widest > WIDEST_GAP * seconds:
        return None
    usual = float(np.median(np.diff(centres)))
    unseen = max(0.5, 1 - float(np.median(ends - starts)) / usual)
    watts = trace.watts[inside]
    return Window(seconds, centres - seconds / 2, watts, weights, gaps, trace.counter, unseen)


def _seconds(ns: Times) -> Floats:
    return ns.astype(np.float64) * 1e-9


def _of_points(gaps: Floats) -> Floats:
    """Trapezoid rule between readings; the first and the last hold to the edges."""
    weights = (gaps[:-1] + gaps[1:]) / 2
    weights[0] += gaps[0] / 2
    weights[-1] += gaps[-1] / 2
    return weights


def _of_intervals(starts: Floats, ends: Floats, gaps: Floats) -> Floats:
    """Each interval's own length, and what is missing between and around them by its nearest."""
    weights = ends - starts
    weights[0] += gaps[0]
    weights[-1] += gaps[-1]
    return weights


def sampling_u(read: Window, noise_variance: float) -> float:
    """Standard uncertainty, in J, of what the power did between the readings.

    With D(l) the mean squared change of power over a lag l, one bridged gap of length l errs by
    l^2 D / 12 where changes are resolved (a step somewhere between two readings), and by
    l^2 D / 2 where each reading is a draw of its own (pulses shorter than the interval). Which of
    the two it is shows in D(2 h) / D(h): 2 for the first, 1 for the second. A sensor that averages
    saw part of a step; of a pulse, what it shows is all that is left. `noise_variance` of a single
    reading is no change of power.
    """
    near, far = (_change(read.watts, lag) - 2 * noise_variance for lag in (1, 2))
    if near <= 0:
        return 0.0
    growth = min(2.0, max(1.0, far / near)) - 1
    share = (1 - growth) * UNRESOLVED + growth * RESOLVED * read.unseen**2
    inner = read.gaps[1:-1]
    usual = float(np.median(np.diff(read.times)))
    most = 2 * float(read.watts.var())
    bridged = (inner**2 * _capped(near, inner / usual, growth, most)).sum()
    edges = read.gaps[[0, -1]]
    held = (edges**2 * _capped(near, edges / usual, growth, most)).sum()
    total = share * bridged + max(share, EDGE) * held
    return math.sqrt(total)


def _change(watts: Floats, lag: int) -> float:
    return float(((watts[lag:] - watts[:-lag]) ** 2).mean())


def _capped(near: float, lags: Floats, growth: float, most: float) -> Floats:
    """D at these lags (in usual intervals): it grows as far as changes are resolved."""
    return np.minimum(near * np.maximum(lags, 1.0) ** growth, max(near, most))
