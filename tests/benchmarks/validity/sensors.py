"""Corruptions of a power sensor's readings, judged by the project's own energy code."""

from __future__ import annotations

import random
from typing import Any

from tests.benchmarks.validity.corruptions import corruption
from tests.benchmarks.validity.power import RANGE_UJ, energy_part
from tests.benchmarks.validity.session import Made


def attach(made: Made, chance: random.Random, sensor: str) -> list[list[Any]]:
    """A sound sensor's energy part at the end of the session; its rows, to be changed in place."""
    made.events = [e for e in made.events if e["event"] not in ("block", "idle", "readings")]
    start = made.looks[-1]["clocks"]["monotonic_ns"]
    made.events += energy_part(chance, start, sensor)
    rows: list[list[Any]] = made.events[-1]["rows"]
    return rows


def stretch(rows: list[list[Any]], chance: random.Random, seconds: float) -> list[list[Any]]:
    """Rows of a stretch anywhere in the session."""
    count = min(len(rows) - 2, max(2, round(seconds * 10)))
    start = chance.randrange(1, len(rows) - count)
    return rows[start : start + count]


@corruption("power sensor freezes", "s", (0.3, 1, 3, 10), "SENSOR_FAULT")
def freezes(made: Made, seconds: float, chance: random.Random) -> None:
    """The chip hangs and answers with its last value."""
    held = stretch(attach(made, chance, "hwmon"), chance, seconds)
    for row in held:
        row[1] = held[0][1]


@corruption("energy counter stands still", "s", (0.5, 1.2, 3, 10), "SENSOR_FAULT")
def stands(made: Made, seconds: float, chance: random.Random) -> None:
    """The same of a counter."""
    held = stretch(attach(made, chance, "rapl"), chance, seconds)
    for row in held:
        row[1] = held[0][1]


@corruption("power sensor drops readings", "share", (0.02, 0.08, 0.3, 0.7), "SENSOR_FAULT")
def drops(made: Made, share: float, chance: random.Random) -> None:
    """A bus with errors."""
    rows = attach(made, chance, "hwmon")
    gone = set(chance.sample(range(1, len(rows) - 1), round(share * len(rows))))
    rows[:] = [row if n not in gone else [row[0], ""] for n, row in enumerate(rows)]


@corruption("energy counter wraps early", "of its range", (0.001, 0.1, 0.5), "SENSOR_FAULT")
def wraps(made: Made, share: float, chance: random.Random) -> None:
    """It starts again where it should not: a reset, or a range that is not the one it tells."""
    rows = attach(made, chance, "rapl")
    at = chance.randrange(len(rows) // 4, len(rows) // 2)
    base = int(rows[0][1]) % round(0.8 * RANGE_UJ)
    first = int(rows[0][1])
    for number, row in enumerate(rows):
        grown = (int(row[1]) - first) % RANGE_UJ
        row[1] = str(base + grown if number < at else round(share * base) + grown)


@corruption("power sensor clips", "of the work's watts", (0.9, 0.6, 0.3), "SENSOR_FAULT")
def clips(made: Made, share: float, chance: random.Random) -> None:
    """Its range is too small."""
    rows = attach(made, chance, "hwmon")
    values = sorted(int(text) for _, text in rows)
    top = round(values[0] + share * (values[-1] - values[0]))
    for row in rows:
        row[1] = str(min(top, int(row[1])))


@corruption("power in another unit", "factor", (0.001, 1000), "SENSOR_FAULT")
def unit(made: Made, factor: float, chance: random.Random) -> None:
    """Milliwatts for microwatts."""
    for row in attach(made, chance, "hwmon"):
        row[1] = str(round(int(row[1]) * factor))
