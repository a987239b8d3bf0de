"""Readings of one rail as numbers over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Trace:
    """Mean power over [begin_ns, end_ns] for each reading, on the board's clock, in order.

    A sensor that samples has `begin_ns` == `end_ns`; one that averages tells over what; the
    difference of two readings of an energy counter (`counter`) is exact between them.
    """

    begin_ns: Times
    end_ns: Times
    watts: Floats
    counter: bool = False

    def __len__(self) -> int:
        return len(self.watts)

    def spans(self, begin_ns: int, end_ns: int) -> bool:
        """Whether there are readings at or before the window's begin and at or after its end."""
        return bool(len(self) and self.begin_ns[0] <= begin_ns and self.end_ns[-1] >= end_ns)

    def interval_s(self) -> float:
        """The usual time between two readings."""
        return float(np.median(np.diff(self.end_ns))) * 1e-9 if len(self) > 1 else 0.0


def sampled(times_ns: Times, watts: Floats, averaging_s: float = 0.0) -> Trace:
    """Power readings; each is the mean over `averaging_s` before it was taken."""
    return Trace(times_ns - round(averaging_s * 1e9), times_ns, watts)


def counted(times_ns: Times, joules: Floats) -> Trace:
    """Readings of a counter that does not wrap (any more)."""
    seconds = np.diff(times_ns) * 1e-9
    return Trace(times_ns[:-1], times_ns[1:], np.diff(joules) / seconds, counter=True)
