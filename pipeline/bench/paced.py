"""Rows of the paced regime: answers that came after their deadline, and the inference alone.

`latency_*` of such a session run from the scheduled arrival, waiting included.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from pipeline.bench.proportion import exact_interval
from pipeline.bench.quantiles import effective_count, median_interval
from pipeline.bench.records import Row, Unit
from pipeline.bench.results import Event
from pipeline.bench.settings import SessionSettings


def paced_rows(arm: str, processes: Sequence[Event], settings: SessionSettings) -> Iterator[Row]:
    """Share of answers after the deadline, and the p50 of the inference without waiting.

    The interval of the share is exact (Clopper & Pearson, 1934) for as many independent requests as
    the spread between processes allows.
    """
    deadline = settings.deadline_ns
    served = [e for e in processes if e.get("service_ns")]
    if deadline is None or not served:
        return
    samples = [e["samples_ns"] for e in served]
    total = sum(map(len, samples))
    missed = sum(ns > deadline for process in samples for ns in process)
    share = missed / total
    count = effective_count(samples, deadline, 1 - share)
    yield Row(
        name="deadline_misses", unit="fraction", scope=f"deadline {deadline / 1e6:g} ms", arm=arm,
        value=share, interval=exact_interval(share, max(1, count)), n=total, raw="samples_ns",
    )  # fmt: skip
    medians = [statistics.median(e["service_ns"]) for e in served]
    unit: Unit = "instructions" if settings.emulated else "ns"
    scope = "emulated" if settings.emulated else "process"
    yield Row(
        name="service_p50", unit=unit, scope=scope, arm=arm,
        value=statistics.median(medians), interval=median_interval(medians), n=len(medians),
        raw="service_ns",
    )  # fmt: skip
