"""What a data sheet or a calibration states about a power sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from pipeline.board.energy.uncertainty import Term

Basis = Literal["limits", "k2"]


@dataclass(frozen=True)
class Accuracy:
    """Reading = (1 + g) * power + offset, of which only bounds are known.

    `gain` is relative, `offset_w` in watts. As `limits` (data sheet: "max") they are the ends of
    a rectangular distribution (GUM 4.3.7), as `k2` (calibration certificate) twice the standard
    uncertainty of a normal one. `averaging_s` is the time over which the sensor itself averages
    up to a reading, `source` says where the figures come from.
    """

    gain: float
    offset_w: float
    resolution_w: float = 0.0
    averaging_s: float = 0.0
    basis: Basis = "limits"
    source: str = "stated in the lab file"

    def gain_term(self, watts_or_joules: float) -> Term:
        """Of a figure proportional to the reading; the same error in all figures of one sensor."""
        return self._term("gain", self.gain * abs(watts_or_joules))

    def offset_term(self, seconds: float) -> Term:
        """Of an energy over so many seconds; a difference of readings is free of it."""
        return self._term("offset", self.offset_w * abs(seconds))

    def _term(self, name: str, bound: float) -> Term:
        if self.basis == "limits":
            return Term(name, bound / math.sqrt(3), "rectangular")
        return Term(name, bound / 2)
