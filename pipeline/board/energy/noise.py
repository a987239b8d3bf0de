"""The noise of window means, from windows whose power is steady (idle).

Readings in a row are not independent: a meter filters, and its zero wanders (1/f). So the variance
of the mean comes from means of batches of growing length: white noise falls with it, wander does
not (Allan, Proc. IEEE 54, 1966). What both add up to at the window's length is extrapolated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from pipeline.board.energy.trace import Floats
from pipeline.board.energy.window import Window

SHARES = (1 / 20, 1 / 14, 1 / 9, 1 / 6, 1 / 4)
"""Lengths of the batches, in windows: shorter ones tell of the meter's filter, not of its mean."""
ROUNDS = 5


@dataclass(frozen=True)
class Noise:
    """`single`: variance of a reading. The mean of n readings: `white` / n + `wander`, in W^2."""

    single: float
    white: float
    wander: float
    white_dof: float
    wander_dof: float

    def dof(self, white: float, wander: float) -> float:
        """Degrees of freedom of a sum of both kinds of variance (Welch and Satterthwaite)."""
        doubt = white**2 / self.white_dof + wander**2 / self.wander_dof
        return (white + wander) ** 2 / doubt if doubt > 0 else math.inf


def noise_of(steady: Sequence[Window]) -> Noise:
    """Pooled noise of windows, less the straight line of each (its slope is drift, no noise)."""
    runs = _residuals(steady)
    count = min(len(run) for run in runs)
    scales = sorted({max(1, round(share * count)) for share in SHARES})
    found = [_allan(runs, scale) for scale in scales]
    variances, dofs = (np.array(column) for column in zip(*found, strict=True))
    white, wander = _fit(np.array(scales, dtype=float), variances, dofs)
    return Noise(_allan(runs, 1)[0], white, wander, float(dofs[0]), float(dofs[-1]))


def _residuals(steady: Sequence[Window]) -> list[Floats]:
    """Readings less the straight line of each window (its slope is drift)."""
    runs = []
    for each in steady:
        slope, level = np.polyfit(each.times, each.watts, 1)
        runs.append(each.watts - level - slope * each.times)
    return runs


def _allan(runs: Sequence[Floats], scale: int) -> tuple[float, float]:
    """(Half of the mean squared change between neighbouring batch means, degrees of freedom).

    All overlapping pairs of batches are taken; they are worth about one per batch, less what the
    run's own line took.
    """
    squares: list[Floats] = []
    batches = 0.0
    for run in runs:
        sums = np.cumsum(run)
        means = _moving(sums, scale)
        squares.append((means[scale:] - means[:-scale]) ** 2)
        batches += len(run) / scale - 2
    return float(np.concatenate(squares).mean() / 2), max(1.0, batches)


def _moving(sums: Floats, scale: int) -> Floats:
    """Means of every `scale` readings in a row, from their running sum."""
    before = np.concatenate([[0.0], sums])
    means: Floats = (before[scale:] - before[:-scale]) / scale
    return means


def _fit(scales: Floats, variances: Floats, dofs: Floats) -> tuple[float, float]:
    """(white, wander) of variances = white / scale + wander.

    With wander and without it, weighted by how well each explains the variances (Akaike): a
    wander that is not there would widen every interval, one that is not seen would narrow it.
    """
    if not variances.any():
        return 0.0, 0.0
    white, misfit = _solved(scales, variances, dofs, wanders=False)
    both, less = _solved(scales, variances, dofs, wanders=True)
    share = 1 / (1 + math.exp(min(50.0, (less - misfit) / 2)))
    mixed = (1 - share) * white + share * both
    return float(mixed[0]), float(mixed[1])


def _solved(
    scales: Floats, variances: Floats, dofs: Floats, *, wanders: bool
) -> tuple[Floats, float]:
    """Non-negative [white, wander] by least squares on relative deviations, and its chi square."""
    shapes = np.stack([1 / scales, np.ones_like(scales)], axis=1)
    used = [0, 1] if wanders else [0]
    found = np.array([float((variances * scales).mean()), 0.0])
    for _ in range(ROUNDS):
        weight = np.sqrt(dofs / 2) / np.maximum(shapes @ found, 1e-30)
        found = np.zeros(2)
        found[used], left = optimize.nnls(weight[:, None] * shapes[:, used], weight * variances)
    return found, float(left) ** 2


def quantisation_u(resolution_w: float, single: float) -> float:
    """Standard uncertainty of a mean of readings that are rounded to `resolution_w`.

    Noise of more than half a step dithers the rounding away; without noise all readings share
    one rounding error (Widrow & Kollar, Quantization Noise, 2008, ch. 4).
    """
    if resolution_w <= 0:
        return 0.0
    dither = max(0.0, single - resolution_w**2 / 12)
    return resolution_w / math.sqrt(12) * math.exp(-2 * math.pi**2 * dither / resolution_w**2)
