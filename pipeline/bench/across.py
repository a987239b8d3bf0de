"""Two records side by side: ratios without a verdict, and what would settle them.

Sessions differ in temperature, clock and neighbours, and no statistics over either one can tell
that from a difference of the models. Only one session that runs both can.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.bench.records import ArmEntry, Interval, Record, Unit
from pipeline.errors import UsageError

SETTINGS = (
    "threads", "affinity", "processes", "warmup_ms", "window_ms", "regime", "rate_hz", "governor",
)  # fmt: skip
FIGURES = ("latency_p50", "memory_peak", "file_size", "energy_net")


@dataclass(frozen=True)
class Ratio:
    """Second record over first. `range` divides the ends of the two intervals: wide on purpose."""

    figure: str
    arms: tuple[str, str]
    value: float
    range: Interval | None


@dataclass(frozen=True)
class Change:
    """Accuracy of the second record minus that of the first."""

    arms: tuple[str, str]
    value: float
    unit: Unit


@dataclass(frozen=True)
class Across:
    """`differences` are conditions that are not equal; `commands` would settle the ratios."""

    ratios: list[Ratio]
    accuracy: list[Change]
    differences: list[str]
    commands: list[str]


def across(first: Record, second: Record) -> Across:
    """Compare two sessions, arms of one name with each other.

    Raises:
        UsageError: an emulated record against a measured one.
    """
    if first.emulated != second.emulated:
        emulated, fix = first if first.emulated else second, "compare records of one kind"
        what = "is emulated: it counts instructions, the other one measured a board's time"
        raise UsageError(what, where=emulated.id, fix=fix)
    pairs = list(arm_pairs(first, second))
    return Across(
        [ratio for pair in pairs for ratio in _ratios(first, second, pair)],
        [change for pair in pairs for change in _accuracy(first, second, pair)],
        list(_differences(first, second)),
        list(_commands(first, second, pairs)),
    )


def arm_pairs(first: Record, second: Record) -> Iterator[tuple[str, str]]:
    """Equal names; where no name is common, every arm of the second against the baseline."""
    names = {arm.name for arm in first.arms}
    common = [arm.name for arm in second.arms if arm.name in names]
    if common:
        yield from ((name, name) for name in common)
    else:
        yield from ((first.arms[0].name, arm.name) for arm in second.arms)


def _ratios(first: Record, second: Record, pair: tuple[str, str]) -> Iterator[Ratio]:
    for figure in FIGURES:
        a = first.row(figure, pair[0])
        b = second.row(figure, pair[1], None if a is None else a.scope)
        if a is None or b is None or a.value <= 0:
            continue
        ends = None
        if a.interval and b.interval and a.interval[0] > 0:
            ends = (b.interval[0] / a.interval[1], b.interval[1] / a.interval[0])
        yield Ratio(figure, pair, b.value / a.value, ends)


def _accuracy(first: Record, second: Record, pair: tuple[str, str]) -> Iterator[Change]:
    a, b = first.row("accuracy", pair[0]), second.row("accuracy", pair[1])
    if a and b and a.unit == b.unit:
        yield Change(pair, b.value - a.value, a.unit)


def _differences(first: Record, second: Record) -> Iterator[str]:
    told = [_conditions_of(record) for record in (first, second)]
    for name, value in told[0].items():
        if value != told[1][name]:
            yield f"{name}: {value} / {told[1][name]}"
    scopes = [sorted({row.scope for row in record.rows if row.unit == "mJ"})
              for record in (first, second)]  # fmt: skip
    if all(scopes) and not set(scopes[0]) & set(scopes[1]):
        yield f"energy, which has no ratio: {', '.join(scopes[0])} / {', '.join(scopes[1])}"


def _conditions_of(record: Record) -> dict[str, object]:
    machine = record.machine.model_dump(exclude={"agent"})
    settings = {name: record.settings.get(name) for name in SETTINGS}
    return {"target": record.target, **machine, **settings}


def _commands(first: Record, second: Record, pairs: list[tuple[str, str]]) -> Iterator[str]:
    """One `bench` a pair of different files, on each target that was used."""
    for a, b in pairs:
        old, new = _entry(first, a), _entry(second, b)
        if old.digest != new.digest:
            for target in dict.fromkeys((first.target, second.target)):
                words = ("secateur", "bench", old.file, new.file, "--target", target)
                yield shlex.join(words)


def _entry(record: Record, arm: str) -> ArmEntry:
    return next(entry for entry in record.arms if entry.name == arm)
