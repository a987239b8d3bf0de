"""What is wrong with a sensor, as its own readings give it away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np

from pipeline.board.energy.kinds import kind
from pipeline.board.energy.rail import Rail
from pipeline.board.energy.trace import Floats

FaultKind = Literal["frozen", "dropping", "wrapping", "negative", "saturated", "unit-off"]
FATAL: frozenset[FaultKind] = frozenset({"frozen", "wrapping", "negative", "saturated", "unit-off"})
"""Readings with such a fault are no figures; dropped readings only widen the uncertainty."""

Values = Sequence[tuple[int, float]]
Changes = Sequence[tuple[int, int]]

LEAST = 20
CHANCE = 1e-6
STRETCH = 40
LONG_GAP, MOST_MISSING = 3.0, 0.05
PLAUSIBLE_W = (0.02, 300.0)
PLAUSIBLE_V = (0.3, 60.0)
UNIT_STEP = 300.0
CLIPPED_SHARE, CLIPPED_TIMES = 0.05, 5
STILL_S = 1.0
NEAR_THE_WRAP = 0.9


@dataclass(frozen=True)
class SensorFault:
    """One fault; `detail` says what was seen."""

    kind: FaultKind
    detail: str


def sensor_faults(rail: Rail, changes_ns: Changes = ()) -> list[SensorFault]:
    """Everything that the readings of a rail show to be wrong with it; nothing for a sound one.

    `changes_ns`, on the board's clock, are spans in which the power must have changed, such as
    from the end of idle to the begin of steady work: a reading that is the same from a second
    before one to a second after it is frozen, however coarse it is.
    """
    values = rail.values()
    if len(rail.rows) < LEAST:
        return []
    found = [*_dropping(rail, values)]
    if len(values) >= LEAST:
        checks = _of_counters if kind(rail.sensor).COUNTER else _of_power
        found += checks(rail, values, changes_ns)
    return found


def _dropping(rail: Rail, values: Values) -> Iterator[SensorFault]:
    lost = 1 - len(values) / len(rail.rows)
    over = sum(1 for row in rail.rows if abs(_float(row[1])) > 1e30)
    if over:
        yield SensorFault("saturated", f"{over} readings over range")
    gaps = np.diff([t for t, _ in values]) if len(values) > 1 else np.array([1.0])
    usual = float(np.median(gaps))
    missing = float((gaps[gaps > LONG_GAP * usual] / usual - 1).sum()) / (len(gaps) + 1)
    if lost + missing > MOST_MISSING:
        yield SensorFault("dropping", f"{lost + missing:.0%} of the readings are missing")


def _float(text: object) -> float:
    try:
        return float(str(text))
    except ValueError:
        return 0.0


def _of_power(rail: Rail, values: Values, changes_ns: Changes) -> Iterator[SensorFault]:
    watts = np.array([v for _, v in values])
    accuracy = rail.accuracy
    low = -3 * accuracy.offset_w - accuracy.resolution_w - 1e-3
    if (watts < low).any():
        yield SensorFault("negative", f"{watts.min():.3g} W")
    yield from _unit_off(rail, watts)
    yield from _saturated(values)
    yield from _frozen(values, changes_ns)


def _of_counters(rail: Rail, values: Values, changes_ns: Changes) -> Iterator[SensorFault]:
    """A counter that stands still or starts again where it should not."""
    del changes_ns
    joules = np.array([v for _, v in values])
    times = np.array([t for t, _ in values])
    longest = max(_runs(values), key=len)
    if times[longest[-1]] - times[longest[0]] > STILL_S * 1e9:
        seconds = (times[longest[-1]] - times[longest[0]]) * 1e-9
        yield SensorFault("frozen", f"the counter stood still for {seconds:.1f} s")
    back = np.flatnonzero(np.diff(joules) < 0)
    for at in back:
        if joules[at] < NEAR_THE_WRAP * rail.wrap_j or rail.wrap_j == 0:
            yield SensorFault(
                "wrapping", f"it fell from {joules[at]:.6g} to {joules[at + 1]:.6g} J"
            )
            return
    watts = rail.trace().watts
    if not PLAUSIBLE_W[0] < float(np.median(watts)) < PLAUSIBLE_W[1]:
        yield SensorFault("unit-off", f"{np.median(watts):.3g} W is no board's power")


def _unit_off(rail: Rail, watts: Floats) -> Iterator[SensorFault]:
    middle = float(np.median(np.abs(watts)))
    volts = [_float(words[0]) / 1000 for row in rail.rows if len(words := str(row[1]).split()) == 2]
    if not PLAUSIBLE_W[0] <= max(middle, float(watts.max())) or middle > PLAUSIBLE_W[1]:
        yield SensorFault("unit-off", f"{middle:.3g} W is no board's power")
    elif middle > 0 and float(np.abs(watts).max()) / middle > UNIT_STEP:
        yield SensorFault("unit-off", f"from {middle:.3g} W to {np.abs(watts).max():.3g} W")
    elif rail.sensor != "scpi" and volts and not _within(float(np.median(volts)), PLAUSIBLE_V):
        yield SensorFault("unit-off", f"{np.median(volts):.3g} V is no board's supply")


def _within(value: float, ends: tuple[float, float]) -> bool:
    return ends[0] <= value <= ends[1]


def _saturated(values: Values) -> Iterator[SensorFault]:
    """Clipped: the highest reading comes again and again, unlike all others."""
    counts = Counter(v for _, v in values)
    top = max(counts)
    times = counts.pop(top)
    others = max(counts.values(), default=times)
    if times > CLIPPED_SHARE * len(values) and times >= CLIPPED_TIMES * others:
        yield SensorFault("saturated", f"{times} of {len(values)} readings are {top:.6g} W")


def _frozen(values: Values, changes_ns: Changes) -> Iterator[SensorFault]:
    runs = _runs(values)
    longest = max(runs, key=len)
    begin, end = values[longest[0]][0], values[longest[-1]][0]
    over = [span for span in changes_ns if begin < span[0] - 1e9 and span[1] + 1e9 < end]
    by_chance = len(values) * _repeats(runs, len(longest)) ** len(longest)
    if over or (by_chance < CHANCE and not _coarse(values, runs, longest)):
        what = "while the work began or ended" if over else "unlike before"
        seconds = (end - begin) * 1e-9
        yield SensorFault("frozen", f"the same reading for {seconds:.1f} s, {what}")


def _runs(values: Values) -> list[range]:
    """Positions of equal readings in a row."""
    position, runs = 0, []
    for _, group in groupby(v for _, v in values):
        length = sum(1 for _ in group)
        runs.append(range(position, position + length))
        position += length
    return runs


def _coarse(values: Values, runs: Sequence[range], longest: range) -> bool:
    """Whether the power comes back to that reading, or the next one to it, and stays there.

    Steady power below a sensor's step does; a frozen sensor would have to freeze twice alike.
    """
    step = float(np.diff(np.unique([v for _, v in values])).min()) * 1.5
    held = values[longest[0]][1]
    long = [run for run in runs if run is not longest and len(run) >= len(longest) / 4]
    return any(abs(values[run[0]][1] - held) <= step for run in long)


def _repeats(runs: Sequence[range], longest: int) -> float:
    """How often a reading repeats the one before where the power is steadiest.

    Runs like the longest are left out: they may be what is frozen.
    """
    others = [run for run in runs if len(run) < max(2, longest / 2)]
    if sum(map(len, others)) < STRETCH:
        return 1.0
    flags = np.concatenate([np.arange(len(run)) > 0 for run in others])
    most = np.convolve(flags, np.ones(STRETCH), mode="valid").max()
    return float((most + 1) / (STRETCH + 2))
