"""Energy of one inference, from the sensors that the board has; no sensor, no row."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.bench.quantiles import median_interval
from pipeline.bench.records import Row
from pipeline.bench.results import Event
from pipeline.board.energy import energy_j

MJ_PER_J = 1000.0


@dataclass
class Rail:
    """All readings of one sensor channel over a session."""

    sensor: str
    about: dict[str, str]
    rows: list[list[Any]] = field(default_factory=list)

    @property
    def scope(self) -> str:
        """What the sensor sees: the chip's label or name. Scopes are never added or compared."""
        return f"{self.sensor} {self.about.get('in1_label') or self.about.get('name', '')}".strip()


def rails(events: Sequence[Event]) -> list[Rail]:
    """The channels that were read, by scope."""
    found: dict[tuple[str, str], Rail] = {}
    for event in events:
        if event["event"] == "readings":
            key = (event["sensor"], event["channel"])
            found.setdefault(key, Rail(event["sensor"], event["about"])).rows += event["rows"]
    return sorted(found.values(), key=lambda rail: rail.scope)


def energy_rows(arm: str, processes: Sequence[Event], readable: Sequence[Rail]) -> Iterator[Row]:
    """Gross mJ of one inference a rail: its energy over each process's window, by iterations.

    Gross: what the rail drew, idle draw included. A process whose window the readings do not
    span does not count.
    """
    for rail in readable:
        found = [v for e in processes if (v := _one_inference_mj(rail, e)) is not None]
        if found:
            yield Row(
                name="energy_gross", unit="mJ", scope=rail.scope, arm=arm,
                value=statistics.median(found), interval=median_interval(found), n=len(found),
                raw="readings",
            )  # fmt: skip


def _one_inference_mj(rail: Rail, process: Event) -> float | None:
    begin, end = process.get("window_ns") or (0, 0)
    if begin >= end:
        return None
    joules = energy_j(rail.sensor, rail.about, rail.rows, begin, end)
    return None if joules is None else joules * MJ_PER_J / len(process["samples_ns"])
