"""A session's events as rows of figures."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

from pipeline.bench.quantiles import median_interval, tail
from pipeline.bench.records import Comparison, Interval, Row, Unit
from pipeline.bench.results import Event
from pipeline.bench.verdict import decide

TAILS = {"latency_p90": 0.9, "latency_p99": 0.99}


def by_process(events: Sequence[Event]) -> dict[int, Event]:
    """{position in the session's order: event} of the processes that gave samples."""
    return {e["index"]: e for e in events if e["event"] == "process" and e["samples_ns"]}


def arm_rows(arm: str, processes: Sequence[Event], *, emulated: bool) -> Iterator[Row]:
    """Latency and memory of one arm over its processes; what no process told has no row.

    An emulated clock advances 1 ns per instruction: its times are counts, and called so.
    """
    if not processes:
        return
    unit: Unit = "instructions" if emulated else "ns"
    scope = "emulated" if emulated else "process"
    samples = [e["samples_ns"] for e in processes]
    medians = [statistics.median(s) for s in samples]
    for name, field in (("load", "load_ns"), ("first_inference", "first_ns")):
        values = [e[field] for e in processes if e.get(field) is not None]
        yield from _median_row(arm, name, unit, scope, values, field)
    yield from _median_row(arm, "latency_p50", unit, scope, medians, "samples_ns")
    for name, q in TAILS.items():
        value, interval = tail(samples, q)
        count = sum(map(len, samples))
        yield _row(arm, name, unit, scope, value, interval, count, "samples_ns")
    for part in sorted({part for e in processes for part in e.get("memory_kib") or {}}):
        values = [e["memory_kib"].get(part) for e in processes if e.get("memory_kib")]
        known = [value for value in values if value is not None]
        yield from _median_row(arm, f"memory_{part}", "KiB", "process", known, f"memory_kib.{part}")


def _median_row(
    arm: str, name: str, unit: Unit, scope: str, values: Sequence[float], raw: str
) -> Iterator[Row]:
    """The median over processes; no row where there are no values."""
    if values:
        value = statistics.median(values)
        yield _row(arm, name, unit, scope, value, median_interval(values), len(values), raw)


def _row(
    arm: str, name: str, unit: Unit, scope: str, value: float, interval: Interval | None,
    n: int, raw: str | None,
) -> Row:  # fmt: skip
    return Row(
        arm=arm, name=name, unit=unit, scope=scope, value=value, interval=interval, n=n, raw=raw
    )


def compare_arms(
    names: tuple[str, str], pairs: Sequence[tuple[int, int]], processes: Mapping[int, Event]
) -> Comparison | None:
    """(baseline, candidate) by the pairs of which both processes gave samples; None without one."""
    whole = [(a, b) for a, b in pairs if a in processes and b in processes]
    if not whole:
        return None
    medians = [
        [statistics.median(processes[pair[side]]["samples_ns"]) for pair in whole]
        for side in (0, 1)
    ]
    decision = decide(medians[0], medians[1])
    return Comparison(arm=names[1], baseline=names[0], **vars(decision))
