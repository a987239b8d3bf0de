"""What the comparison leaves out, as text: the cold start, memory by its cause, all tails."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.bench.compare import Line, lines
from pipeline.bench.numbers import figure, shown
from pipeline.bench.records import Record
from pipeline.bench.results import Stored
from pipeline.bench.terminal import terminal

COLD_START = {
    "import": "import of runtime", "load": "load", "allocate": "of it, arena",
    "first_inference": "first inference", "latency_p50": "steady p50",
}  # fmt: skip
TAILS = {
    "latency_p50": "p50", "latency_p90": "p90", "latency_p99": "p99", "service_p50": "service p50"
}  # fmt: skip
MEMORY = {
    "memory_python": "Python", "memory_runtime": "runtime", "memory_model": "model file",
    "memory_arena": "arena", "memory_inputs": "inputs", "memory_running": "running",
    "memory_peak": "peak", "memory_load_peak": "peak at load",
}  # fmt: skip


def print_details(stored: Sequence[Stored], stream: TextIO | None = None) -> None:
    """Print three tables a session; a part that was not measured has no column."""
    with terminal(stream or sys.stdout) as console:
        for item in stored:
            arms = list(lines(item.record))
            _print(console, "Cold start, the process being fresh", COLD_START, arms)
            _print(console, "Latency", TAILS, arms)
            _print(console, "Memory by what caused it", MEMORY, arms)
            for text in notes(item.record):
                console.print(Text(text))


def notes(record: Record) -> list[str]:
    """What could not be had, and what watching the board cost."""
    found = [f"{name}: not available ({why})" for name, why in record.unavailable.items()]
    if record.watch_cpu_share is not None:
        found.append(f"watching the board took {record.watch_cpu_share:.2%} of one CPU")
    return found


def _print(console: Console, title: str, columns: dict[str, str], arms: list[Line]) -> None:
    known = {
        name: [line.figures[name] for line in arms if name in line.figures] for name in columns
    }
    known = {name: rows for name, rows in known.items() if rows}
    if not known:
        return
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1))
    table.add_column("arm", no_wrap=True, overflow="ellipsis")
    for name, rows in known.items():
        table.add_column(f"{columns[name]}\n{shown(rows).unit}", justify="right", no_wrap=True)
    for line in arms:
        cells = [figure(line.figures.get(name), shown(rows).factor) for name, rows in known.items()]
        table.add_row(line.arm, *cells)
    console.print(Text(title))
    console.print(table)
    console.print()
