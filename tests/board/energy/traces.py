"""Traces and rails of known power."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.board.energy.rail import Rail
from pipeline.board.energy.trace import Trace, sampled

S = 1_000_000_000
LATE = 400 * 86400 * S  # a long uptime: times must keep their precision


def trace(
    watts: Callable[[np.ndarray], np.ndarray], seconds: float, interval_s: float = 0.1,
    noise_w: float = 0.0, seed: int = 0, averaging_s: float = 0.0,
) -> Trace:  # fmt: skip
    """Readings at random times, a little before 0 to a little after `seconds`."""
    chance = np.random.default_rng(seed)
    count = round((seconds + 2) / interval_s)
    times = np.cumsum(interval_s * (0.5 + chance.random(count))) - 1.0
    values = watts(times) + chance.normal(0, noise_w, count)
    return sampled((times * S).astype(np.int64) + LATE, values, averaging_s)


def at(*seconds: float) -> tuple[int, int]:
    """A window on that clock."""
    begin, end = seconds
    return LATE + round(begin * S), LATE + round(end * S)


def rail(values: np.ndarray, sensor: str = "hwmon", interval_s: float = 0.1, **about: str) -> Rail:
    """Readings as text, at slightly uneven times."""
    chance = np.random.default_rng(len(values))
    times = np.cumsum(interval_s * (0.5 + chance.random(len(values))))
    texts = [f"{v * 1e6:.0f}" if sensor != "scpi" else f"{v:.6E}" for v in values]
    rows = [[LATE + round(t * S), text] for t, text in zip(times, texts, strict=True)]
    facts = {"name": "ina226", "shunt_resistor": "10000"} if sensor == "hwmon" else {}
    known = {"gain": 0.01, "offset_w": 0.005} if sensor == "scpi" else {}
    return Rail(sensor, {**facts, **about}, rows, known)
