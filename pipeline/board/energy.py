"""Joules from a sensor's raw readings, over a window of the agent's clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Rows = Sequence[Sequence[object]]
Floats = npt.NDArray[np.float64]
MICRO = 1e-6
NANO = 1e-9


def energy_j(
    sensor: str, about: Mapping[str, str], rows: Rows, begin_ns: int, end_ns: int
) -> float | None:
    """Energy between two times, read off the sensor's cumulative curve.

    `rows` are [t_ns, text] of one channel, `about` its fixed texts. None, never 0, when there are
    fewer than two readings or they do not span the window. Raises KeyError: unknown sensor.
    """
    cumulate = CUMULATE[sensor]
    read = ((_whole(row[0]), _whole(row[1])) for row in rows)
    known = [(t, v) for t, v in read if t is not None and v is not None]
    if len(known) < 2 or known[0][0] > begin_ns or known[-1][0] < end_ns:
        return None
    times_ns, values = np.array(known, dtype=np.int64).T
    curve = cumulate(times_ns, values, about)
    offset = times_ns - times_ns[0]
    at = np.interp([begin_ns - times_ns[0], end_ns - times_ns[0]], offset, curve)
    return float(at[1] - at[0])


def _counter(
    _: npt.NDArray[np.int64], values: npt.NDArray[np.int64], about: Mapping[str, str]
) -> Floats:
    """RAPL: a counter in uJ that starts again after `max_energy_range_uj`."""
    steps = np.diff(values)
    steps[steps < 0] += int(about["max_energy_range_uj"])
    return np.concatenate([[0.0], np.cumsum(steps) * MICRO])


def _power(
    times_ns: npt.NDArray[np.int64], values: npt.NDArray[np.int64], _: Mapping[str, str]
) -> Floats:
    """INA2xx: power in uW, integrated by the trapezoid rule."""
    watts = values * MICRO
    steps = (watts[1:] + watts[:-1]) / 2 * np.diff(times_ns) * NANO
    return np.concatenate([[0.0], np.cumsum(steps)])


Cumulate = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64], Mapping[str, str]], Floats]
CUMULATE: dict[str, Cumulate] = {"rapl": _counter, "hwmon": _power}


def _whole(value: object) -> int | None:
    try:
        return int(str(value))
    except ValueError:
        return None
