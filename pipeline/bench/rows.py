"""A session's events as rows of figures."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

from pipeline.bench.quantiles import median_interval, tail
from pipeline.bench.records import Comparison, Interval, Process, Row, Unit
from pipeline.bench.results import Event
from pipeline.bench.steady import classify
from pipeline.bench.verdict import decide_all

COLD_START = {
    "import": "import_ns",
    "load": "load_ns",
    "allocate": "allocate_ns",
    "first_inference": "first_ns",
}
"""Before the steady state, apart from it: the runtime's import, the file, its arena (a part of
`load`), and the first answer."""
TAILS = {"latency_p90": 0.9, "latency_p99": 0.99}


def settle(events: Sequence[Event]) -> list[Event]:
    """The events, each process's with its `steady`: class and first sample that counts.

    `steady_ns` are the samples that its figures are made of; `samples_ns` stay as they came.
    """
    found = by_process(events)
    classes = classify([event["samples_ns"] for event in found.values()])
    settled = {
        index: {**event, "steady": steady, "steady_ns": event["samples_ns"][steady.start :]}
        for (index, event), steady in zip(found.items(), classes, strict=True)
    }
    return [
        settled[event["index"]] if found.get(event.get("index", -1)) is event else event
        for event in events
    ]


def process_states(processes: Mapping[int, Event]) -> Iterator[Process]:
    """What became of each process, for the record."""
    for index, event in processes.items():
        yield Process(
            index=index, arm=event["arm"], samples=len(event["samples_ns"]), **vars(event["steady"])
        )


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
    samples = [e["steady_ns"] for e in processes]
    medians = [statistics.median(s) for s in samples]
    for name, field in COLD_START.items():
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
    baseline: str,
    pairs: Mapping[str, Sequence[tuple[int, int]]],
    processes: Mapping[int, Event],
) -> list[Comparison]:
    """Each candidate by its pairs of (baseline, candidate) of which both processes gave samples.

    All of a session are judged together; a candidate without a whole pair has no comparison.
    """
    whole = {
        arm: [(a, b) for a, b in each if a in processes and b in processes]
        for arm, each in pairs.items()
    }
    known = {arm: each for arm, each in whole.items() if each}
    medians = {index: statistics.median(e["steady_ns"]) for index, e in processes.items()}
    sides = [
        ([medians[a] for a, _ in each], [medians[b] for _, b in each]) for each in known.values()
    ]
    return [
        Comparison(arm=arm, baseline=baseline, **vars(decision))
        for arm, decision in zip(known, decide_all(sides), strict=True)
    ]
