"""All readings of one sensor channel over a session, from raw text to a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pipeline.board.energy.accuracy import Accuracy
from pipeline.board.energy.clocks import SAME_CLOCK, Alignment
from pipeline.board.energy.kinds import kind
from pipeline.board.energy.trace import Trace, counted, sampled

STATED = ("gain", "offset_w", "resolution_w", "averaging_s")


@dataclass
class Rail:
    """Raw rows [t_ns, text] of a channel, and what is `known` of it from the lab file.

    `clock` takes the rows' times to the board's clock. Raises KeyError, from its functions, where
    there is no such sensor.
    """

    sensor: str
    about: dict[str, str]
    rows: list[Sequence[Any]] = field(default_factory=list)
    known: Mapping[str, Any] = field(default_factory=dict)
    clock: Alignment = SAME_CLOCK

    @property
    def scope(self) -> str:
        """What it sees of the board. Figures of two scopes are never added or compared."""
        return str(self.known.get("scope") or kind(self.sensor).scope(self.about))

    @property
    def accuracy(self) -> Accuracy:
        """What the lab file states, over what the sensor's data sheet does."""
        stated = {name: self.known[name] for name in STATED if self.known.get(name) is not None}
        basis = self.known.get("basis")
        if {"gain", "offset_w"} <= set(stated):
            return Accuracy(**stated, basis=basis or "limits")
        sheet = kind(self.sensor).accuracy(self.about)
        return replace(sheet, **stated, basis=basis or sheet.basis) if stated else sheet

    def values(self) -> list[tuple[int, float]]:
        """(t_ns, watts or joules) of the rows that are readings, on the board's clock."""
        value = kind(self.sensor).value
        read = ((int(row[0]), value(str(row[1]))) for row in self.rows)
        return [(self.clock.to_board(t), v) for t, v in read if v is not None]

    def trace(self) -> Trace:
        """Power over time; empty where there is no reading."""
        known = self.values()
        times = np.array([t for t, _ in known], dtype=np.int64)
        values = np.array([v for _, v in known], dtype=np.float64)
        if not kind(self.sensor).COUNTER:
            return sampled(times, values, self.accuracy.averaging_s)
        return counted(times, unwrapped(values, self.wrap_j)) if len(known) > 1 else EMPTY

    @property
    def wrap_j(self) -> float:
        """Joules at which a counter starts again; 0 for one of which it is not known."""
        return int(self.about.get("max_energy_range_uj", "0")) * 1e-6


NEVER = np.array([], dtype=np.int64)
EMPTY = Trace(NEVER, NEVER, np.array([], dtype=np.float64), counter=True)


def unwrapped(joules: Any, wrap_j: float) -> Any:
    """A counter that goes on where it started again."""
    steps = np.diff(joules, prepend=joules[0])
    return joules[0] + np.cumsum(np.where(steps < 0, steps + wrap_j, steps))
