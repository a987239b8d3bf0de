"""Where a known pattern of work lies in a meter's readings: checks the clocks, or replaces them.

The agent keeps the CPU busy and idle by turns, at uneven lengths. Shifted by the clocks' true
difference the pattern explains the readings best (least squares); every shift that explains them
not significantly worse (likelihood ratio, 95 %) is possible, and the bound covers all of these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.board.energy.trace import Floats, Trace

AROUND_S = 0.4
STEPS = 8
LEAST_READINGS = 12
WORSE = 4.0
"""Chi square of one degree of freedom at 95.45 %."""
LEAST_EXPLAINED = 0.5


@dataclass(frozen=True)
class Shift:
    """The trace's times less the board's, and the half width of what is possible, in s."""

    seconds: float
    bound_s: float


def marker_shift(trace: Trace, edges_ns: Sequence[int], reach_s: float) -> Shift | None:
    """How far the trace lags behind the edges (busy from the first on, then idle, ...).

    Shifts up to `reach_s` either way are tried. None where the pattern is not in the readings.
    """
    begin = edges_ns[0]
    times = ((trace.begin_ns / 2 + trace.end_ns / 2) - begin) * 1e-9
    edges = np.array([edge - begin for edge in edges_ns], dtype=np.float64) * 1e-9
    near = (times > -reach_s - AROUND_S) & (times < edges[-1] + reach_s + AROUND_S)
    step = trace.interval_s() / STEPS
    if near.sum() < LEAST_READINGS or step <= 0:
        return None
    shifts = np.arange(-math.ceil(reach_s / step), math.ceil(reach_s / step) + 1) * step
    left = np.array([_left_over(times[near], trace.watts[near], edges, s) for s in shifts])
    best = float(np.nanmin(left)) if not np.isnan(left).all() else 1.0
    if best > 1 - LEAST_EXPLAINED:
        return None
    count = (edges[-1] + 2 * AROUND_S) / trace.interval_s()
    possible = shifts[left <= max(best, 1e-9) * math.exp(WORSE / count)]
    middle = (possible.min() + possible.max()) / 2
    return Shift(float(middle), float((possible.max() - possible.min()) / 2 + step))


def _left_over(times: Floats, watts: Floats, edges: Floats, shift: float) -> float:
    """Share of the variance around the pattern that it leaves unexplained at this shift."""
    board = times - shift
    around = (board > -AROUND_S) & (board < edges[-1] + AROUND_S)
    if around.sum() < LEAST_READINGS:
        return math.nan
    busy = np.searchsorted(edges, board[around], side="right") % 2 == 1
    seen = watts[around]
    total = float(((seen - seen.mean()) ** 2).sum())
    if total == 0 or busy.all() or not busy.any() or seen[busy].mean() <= seen[~busy].mean():
        return 1.0
    parts = (seen[busy], seen[~busy])
    return float(sum(((part - part.mean()) ** 2).sum() for part in parts)) / total
