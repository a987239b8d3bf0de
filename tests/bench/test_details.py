"""The tables of what the comparison leaves out."""

from __future__ import annotations

import io
from pathlib import Path

from pipeline.bench.details import print_details
from pipeline.bench.results import Stored
from tests.bench.sessions import record, row


def printed(**changes: object) -> str:
    rows = [
        row("dense fp32", "import", "ns", 36e6, 35e6, 38e6),
        row("dense fp32", "load", "ns", 7e6, 6e6, 8e6),
        row("dense fp32", "first_inference", "ns", 9e5, 8e5, 1e6),
        row("dense fp32", "latency_p99", "ns", 3e6),
        row("dense fp32", "memory_runtime", "KiB", 12_288, 12_000, 12_600),
    ]
    made = record(rows=rows, unavailable={"time by operator": "no profiler"}, **changes)
    stream = io.StringIO()
    print_details([Stored(Path("x"), made)], stream)
    return stream.getvalue()


def test_cold_start_and_memory_have_columns_with_intervals() -> None:
    text = printed(watch_cpu_share=0.0004)
    for part in ("import of runtime", "first inference", "[35.00, 38.00]", "runtime", "12.0"):
        assert part in text
    assert "time by operator: not available (no profiler)" in text
    assert "watching the board took 0.04% of one CPU" in text


def test_what_was_not_measured_has_no_column() -> None:
    text = printed()
    assert "arena" not in text
    assert "service" not in text
    assert "watching" not in text
