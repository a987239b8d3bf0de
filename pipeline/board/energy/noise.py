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

from pipeline.board.energy.trace import Floats
from pipeline.board.energy.window import Window

SCALES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
FEWEST_BATCHES = 4
SHORTEST_FIT = 1 / 40
"""Batches below this share of a window tell of the meter's filter, not of its mean."""


@dataclass(frozen=True)
class Noise:
    """`single`: variance of a reading. The mean of n readings: `white` / n + `wander`, in W^2."""

    single: float
    white: float
    wander: float
    dof: float


def noise_of(steady: Sequence[Window]) -> Noise:
    """Pooled noise of windows that share one straight drift, which is no noise."""
    runs = _residuals(steady)
    count = min(len(run) for run in runs)
    usable = [s for s in SCALES if s * FEWEST_BATCHES <= count]
    found = {scale: _allan(runs, scale) for scale in usable}
    single = found[1][0]
    fitted = [s for s in usable if s >= count * SHORTEST_FIT] or usable[-1:]
    white, wander = _fit(
        np.array(fitted, dtype=float),
        np.array([found[s][0] for s in fitted]),
        np.array([found[s][1] for s in fitted]),
    )
    return Noise(single, white, wander, found[fitted[-1]][1])


def _residuals(steady: Sequence[Window]) -> list[Floats]:
    """Readings less the straight line of each window (its slope is drift)."""
    runs = []
    for each in steady:
        slope, level = np.polyfit(each.times, each.watts, 1)
        runs.append(each.watts - level - slope * each.times)
    return runs


def _allan(runs: Sequence[Floats], scale: int) -> tuple[float, float]:
    """(Half of the mean squared change between neighbouring batch means, degrees of freedom)."""
    changes = []
    for run in runs:
        whole = run[: len(run) // scale * scale].reshape(-1, scale).mean(axis=1)
        changes.append(np.diff(whole))
    squares = np.concatenate(changes) ** 2
    return float(squares.mean() / 2), max(1.0, 2 / 3 * len(squares))


def _fit(scales: Floats, variances: Floats, dofs: Floats) -> tuple[float, float]:
    """Non-negative white / scale + wander, by least squares on relative deviations."""
    if not variances.any():
        return 0.0, 0.0
    white, wander = float((variances * scales)[0]), 0.0
    for _ in range(5):
        expected = white / scales + wander
        weight = np.sqrt(dofs / 2) / np.maximum(expected, 1e-30)
        matrix = np.stack([weight / scales, weight], axis=1)
        (white, wander), *_ = np.linalg.lstsq(matrix, weight * variances, rcond=None)
        if wander < 0:
            white, wander = _white_only(weight, scales, variances), 0.0
        if white < 0:
            white, wander = 0.0, float((weight**2) @ variances / (weight**2).sum())
    return float(white), float(wander)


def _white_only(weight: Floats, scales: Floats, variances: Floats) -> float:
    shape = weight / scales
    return float(shape @ (weight * variances) / (shape @ shape))


def quantisation_u(resolution_w: float, single: float) -> float:
    """Standard uncertainty of a mean of readings that are rounded to `resolution_w`.

    Noise of more than half a step dithers the rounding away; without noise all readings share
    one rounding error (Widrow & Kollar, Quantization Noise, 2008, ch. 4).
    """
    if resolution_w <= 0:
        return 0.0
    dither = max(0.0, single - resolution_w**2 / 12)
    return resolution_w / math.sqrt(12) * math.exp(-2 * math.pi**2 * dither / resolution_w**2)
