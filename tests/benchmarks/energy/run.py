"""One run: known power, a meter with errors, and what the host's own code makes of its texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.bench.energy import energy_rows
from tests.benchmarks.energy.meters import BOARD_NS, Event, meters
from tests.benchmarks.energy.power import ACTIVE, AFTER, BEFORE, SHAPES, scene

INFERENCES = 1000  # so that mJ of an inference are J of the block
METERS = tuple(meters(np.random.default_rng(0)))


@dataclass(frozen=True)
class Outcome:
    """A figure against the truth; `value` None where the host gave no figure."""

    shape: str
    meter: str
    figure: str
    truth: float
    value: float | None = None
    half: float = 0.0

    @property
    def covers(self) -> bool:
        """Whether the interval holds the truth."""
        return self.value is not None and abs(self.value - self.truth) <= self.half


def run(seed: int) -> list[Outcome]:
    """Gross and net of one random scene through one random meter; shapes and meters by turns."""
    chance = np.random.default_rng([6, seed])
    shape = tuple(SHAPES)[seed % len(SHAPES)]
    meter = METERS[seed // len(SHAPES) % len(METERS)]
    scenery = scene(shape, chance)
    read, errors, interval_s = meters(chance)[meter]
    found, wiring = read(scenery.power, chance, errors.drawn(chance), interval_s)
    rows = {row.name: row for row in energy_rows(["work"], [*windows(), *found], wiring)}
    outcomes = []
    for figure, truth in (("gross", scenery.gross_j), ("net", scenery.net_j)):
        row = rows.get(f"energy_{figure}")
        if row is None or row.interval is None:
            outcomes.append(Outcome(shape, meter, figure, truth))
        else:
            half = row.interval[1] - row.value
            outcomes.append(Outcome(shape, meter, figure, truth, row.value, half))
    return outcomes


def windows() -> list[Event]:
    """idle, block, idle on the board's clock."""
    spans = [[BOARD_NS + round(t * 1e9) for t in span] for span in (BEFORE, ACTIVE, AFTER)]
    block = {"event": "block", "arm": "work", "inferences": INFERENCES, "t_ns": spans[1]}
    return [{"event": "idle", "t_ns": spans[0]}, block, {"event": "idle", "t_ns": spans[2]}]
