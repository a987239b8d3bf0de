"""What one measurement session found: rows of figures with all that they depend on.

Light on purpose: reading and printing records needs neither numpy nor scipy.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import ConfigDict, model_validator

from pipeline.config.base import Config

Interval = tuple[float, float]
Unit = Literal["ns", "KiB", "bytes", "fraction", "score", "mJ", "W", "ratio", "instructions"]

OF_A_BOARD: tuple[Unit, ...] = ("ns", "mJ", "W")
OF_AN_EMULATOR: tuple[Unit, ...] = ("instructions",)
"""An emulator whose clock advances 1 ns per instruction has counts in place of times."""

SCHEMA = 1


class Verdict(StrEnum):
    """The outcome of a comparison inside one session."""

    FASTER = "FASTER"
    SLOWER = "SLOWER"
    EQUIVALENT = "EQUIVALENT"
    UNDECIDED = "UNDECIDED"
    INVALID = "INVALID"


class Steadiness(StrEnum):
    """What the samples of one process did in the order they were taken."""

    FLAT = "flat"
    WARM_UP = "warm-up"
    SLOWDOWN = "slowdown"
    NOT_STEADY = "no steady state"
    TOO_SHORT = "too few samples"


class Part(Config):
    """A part of a record; NaN and infinity are no figures."""

    model_config = ConfigDict(allow_inf_nan=False)


class Budget(Part):
    """Where a figure's uncertainty comes from (GUM): `terms` are standard uncertainties.

    The row's interval is its value +- k * u, for 95 %. `readings` are those inside the windows,
    `source` says what the sensor's bounds rest on.
    """

    u: float
    k: float
    terms: dict[str, float]
    readings: int
    source: str


class Row(Part):
    """One figure. A figure that was not measured has no row: missing is missing, never 0.

    `interval` is the 95 % interval, None where the sample is too small for one. `n` counts the
    observations, `raw` names their field in the raw file. `scope` says what the figure is of:
    a part of the process for memory, a rail for energy, 'emulated' for instruction counts.
    """

    name: str
    unit: Unit
    scope: str
    arm: str
    value: float
    interval: Interval | None = None
    n: int = 1
    raw: str | None = None
    budget: Budget | None = None


class Machine(Part):
    """The board instance and the software that ran on it; None is 'it did not tell'."""

    name: str
    model: str | None = None
    cpu: str | None = None
    cpus: int | None = None
    os: str | None = None
    kernel: str | None = None
    runtime: str
    runtime_version: str | None = None
    python: str | None = None
    agent: str | None = None


class ArmEntry(Part):
    """A measured model file."""

    name: str
    digest: str
    file: str
    size_bytes: int


class Comparison(Part):
    """An arm's latency against the baseline's, by paired processes of one session.

    `interval` and `bootstrap` hold at `confidence`: 0.95, more where several arms are compared.
    """

    arm: str
    baseline: str
    ratio: float
    interval: Interval | None
    bootstrap: Interval | None
    pairs: int
    verdict: Verdict
    pairs_needed: int | None
    confidence: float = 0.95


class Tried(Part):
    """One scheme of an arm with scheme auto, against the arm's own fp32 in the same session."""

    arm: str
    comparison: Comparison | None = None
    kept: bool
    why: str


class Chosen(Part):
    """What an arm with scheme auto came to on this board."""

    arm: str
    taken: str
    tried: list[Tried]


class Cost(Part):
    """What one step on the way to an arm's file did, on validation samples.

    `step` is the recipe's step, then `float tflite` (conversion) and the arm's scheme
    (quantization). `metric` is after it, `delta` what it changed; `sqnr_db` is how close the
    outputs are to those before it (of a file: to torch). None: not told by the data.
    """

    arm: str
    step: str
    metric: float | None = None
    delta: float | None = None
    sqnr_db: float | None = None


class Failure(Part):
    """A process that gave no figures: a data point too."""

    index: int
    arm: str
    reason: str
    signal: int | None = None
    stderr: str = ""


class Process(Part):
    """Whether a process had settled; `start` samples before its steady state are left out."""

    index: int
    arm: str
    steadiness: Steadiness
    start: int = 0
    samples: int


class Conditions(Part):
    """The machine's state at one moment; None is 'it did not tell'."""

    load_1min: float | None = None
    governors: dict[str, str] | None = None
    clock_mhz: dict[str, float] | None = None
    temperature_c: dict[str, float] | None = None
    memory_available_kib: int | None = None
    swap_used_kib: int | None = None
    throttled: int | None = None
    busy_ticks: int | None = None
    idle_ticks: int | None = None


class Level(StrEnum):
    """What a caution does to the figures: explains them, doubts them, or takes their verdict."""

    NOTE = "note"
    CAUTION = "caution"
    INVALID = "invalid"


class Caution(Part):
    """A finding about the session: `kind` names a SessionWarning, `detail` what was seen.

    `process` is the position in the session's order where the evidence is one process's.
    """

    kind: str
    detail: str
    level: Level = Level.CAUTION
    process: int | None = None
    arm: str | None = None


class Record(Part):
    """One session. `id` is the name of its folder; the first arm is the baseline.

    `unavailable` says why a figure could not be had; `watch_cpu_share` is what watching the board
    took of one CPU.
    """

    schema_version: int = SCHEMA
    id: str
    started: str
    recipe: str
    target: str
    emulated: bool = False
    machine: Machine
    settings: dict[str, Any]
    arms: list[ArmEntry]
    rows: list[Row]
    comparisons: list[Comparison] = []
    choices: list[Chosen] = []
    costs: list[Cost] = []
    processes: list[Process] = []
    failures: list[Failure] = []
    before: Conditions = Conditions()
    after: Conditions = Conditions()
    cautions: list[Caution] = []
    unavailable: dict[str, str] = {}
    watch_cpu_share: float | None = None

    @model_validator(mode="after")
    def _one_clock(self) -> Record:
        """A board has times, an emulator has counts; no record holds the other's."""
        foreign = OF_A_BOARD if self.emulated else OF_AN_EMULATOR
        for row in self.rows:
            if row.unit in foreign:
                kind = "an emulated" if self.emulated else "a measured"
                raise ValueError(f"{row.name} in {row.unit} has no place in {kind} session")
        return self

    @property
    def invalid(self) -> list[Caution]:
        """Why its figures are not to be compared: empty for a valid session."""
        return [caution for caution in self.cautions if caution.level is Level.INVALID]

    def row(self, name: str, arm: str, scope: str | None = None) -> Row | None:
        """The figure of that name, and scope if one is given; None where it was not measured."""
        found = (row for row in self.rows if (row.name, row.arm) == (name, arm))
        return next((row for row in found if scope in (None, row.scope)), None)

    def comparison(self, arm: str) -> Comparison | None:
        """The arm against the baseline; None for the baseline itself."""
        return next((item for item in self.comparisons if item.arm == arm), None)
