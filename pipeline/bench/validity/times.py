"""Rules about time itself: steps, slews and sleeps of clocks, and the order of what happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from pipeline.bench.records import Caution, Level
from pipeline.bench.session_warnings import SessionWarning
from pipeline.bench.validity import limits
from pipeline.bench.validity.evidence import Evidence, Process, caution
from pipeline.board.moment import Moment

MS = 1e6


def jumps(evidence: Evidence) -> Iterator[Caution]:
    """The wall clock was stepped: nothing else parts it from CLOCK_MONOTONIC."""
    found = [
        (moved, allowed)
        for a, b in _neighbours(evidence.moments)
        if (moved := _parted(a, b, "realtime_ns")) is not None
        and abs(moved) > (allowed := _uncertainty(a, b))
    ]
    for process in evidence.processes:
        wall, window = process.event.get("window_wall_ns"), process.window
        if wall is not None and window is not None:
            moved = wall - (window[1] - window[0])
            if abs(moved) > limits.STEP_NS:
                found.append((moved, limits.STEP_NS))
    if found:
        worst, _ = max(found, key=lambda item: abs(item[0]))
        said = f"the wall clock moved by {worst / MS:+,.0f} ms against the monotonic one"
        yield caution(SessionWarning.CLOCK_JUMP, Level.INVALID, said)


def sleeps(evidence: Evidence) -> Iterator[Caution]:
    """CLOCK_BOOTTIME runs ahead of CLOCK_MONOTONIC by the time the machine was suspended."""
    pairs = _neighbours(evidence.moments)
    slept = [s for a, b in pairs if (s := _parted(a, b, "boottime_ns")) is not None]
    if slept and max(slept) > limits.STEP_NS:
        said = f"the machine was suspended for {max(slept) / MS:,.0f} ms"
        yield caution(SessionWarning.SUSPENDED, Level.INVALID, said)


def slews(evidence: Evidence) -> Iterator[Caution]:
    """The clock of the samples was steered away from the raw one."""
    start: Moment | None = None
    worst = 0.0
    for at in (m for m in evidence.moments if {"monotonic_ns", "raw_ns"} <= set(m.clocks)):
        if start is None:
            start = at
            continue
        raw = at.clocks["raw_ns"] - start.clocks["raw_ns"]
        if raw >= limits.SLEW_SPAN_NS:
            ratio = (at.clocks["monotonic_ns"] - start.clocks["monotonic_ns"]) / raw - 1
            worst = max(worst, ratio, key=abs)
            start = at
    if abs(worst) > limits.SLEW:
        level = Level.INVALID if abs(worst) > limits.BAND else Level.CAUTION
        said = f"the monotonic clock ran {worst:+.2%} against the raw one"
        yield caution(SessionWarning.CLOCK_SLEWED, level, said)


def disorder(evidence: Evidence) -> Iterator[Caution]:
    """Times that cannot be: of looks, of windows, of the samples in them."""
    for own in (("during",), ("before", "boundary", "after")):
        stamps = [m.t_ns for m in evidence.moments if m.when in own and m.t_ns is not None]
        if any(b < a for a, b in pairwise(stamps)):
            said = "the monotonic clock went backwards between two looks at the board"
            yield caution(SessionWarning.TIME_DISORDER, Level.INVALID, said)
    last: tuple[int, int] | None = None
    for process in evidence.processes:
        if said := _contradiction(evidence, process, last):
            yield caution(SessionWarning.TIME_DISORDER, Level.INVALID, said, process)
        last = process.window or last


def _contradiction(evidence: Evidence, process: Process, last: tuple[int, int] | None) -> str:
    """What is wrong with a process's times; empty where nothing is."""
    if min(process.service) <= 0 or min(process.samples) <= 0:
        return "a latency is not above 0"
    if process.window is None:
        return ""
    begin, end = process.window
    if end <= begin:
        return "its window ends before it begins"
    if sum(process.service) > end - begin:
        return "its samples take longer than its window"
    if last is not None and begin < last[1]:
        return "its window begins before the one before has ended"
    around = evidence.around(process)
    if around is not None:
        before, after = (m.t_ns for m in around)
        if before is not None and after is not None and not before <= begin < end <= after:
            return "its window lies outside of the time in which it ran"
    return ""


def _neighbours(looks: Sequence[Moment]) -> Iterator[tuple[Moment, Moment]]:
    yield from pairwise(looks)


def _parted(first: Moment, second: Moment, clock: str) -> int | None:
    """How far a clock moved more than the monotonic one, in ns; None where one is unknown."""
    try:
        gone = [m.clocks[clock] - m.clocks["monotonic_ns"] for m in (first, second)]
    except KeyError:
        return None
    return gone[1] - gone[0]


def _uncertainty(first: Moment, second: Moment) -> int:
    widths = [m.clocks.get("width_ns") for m in (first, second)]
    if any(width is None for width in widths):
        return limits.STEP_WIDE_NS
    return limits.STEP_NS + sum(width for width in widths if width is not None)
