"""Two sessions side by side, as text."""

from __future__ import annotations

import sys
from typing import TextIO

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.bench.across import Across, Change, Ratio
from pipeline.bench.records import Record
from pipeline.bench.table import heading
from pipeline.bench.terminal import terminal

SETTLE = "One session of both does:"
SAME = "Their files are the same: only the sessions differ."
NAMES = {"memory_peak": "peak memory", "file_size": "size", "energy_net": "net energy"}


def print_across(
    first: Record, second: Record, found: Across, stream: TextIO | None = None
) -> None:
    """Print the ratios of the second session to the first, and how to settle them."""
    with terminal(stream or sys.stdout) as console:
        for letter, record in (("A", first), ("B", second)):
            for text in heading(record):
                console.print(Text(f"{letter}: {text}"))
        console.print(_table(found, "p50 instructions" if first.emulated else "p50 latency"))
        for difference in found.differences:
            console.print(Text(f"! differs, A / B: {difference}"))
        console.print(Text(f"Two sessions give no verdict. {SETTLE if found.commands else SAME}"))
        for command in found.commands:
            console.print(Text(f"  {command}"), soft_wrap=True)


def _table(found: Across, p50: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("arm", "figure", "B / A", "range"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for ratio in found.ratios:
        name = NAMES.get(ratio.figure, p50)
        table.add_row(_arms(ratio), name, f"x{ratio.value:.3f}", _range(ratio))
    for change in found.accuracy:
        table.add_row(_arms(change), "accuracy", _change(change), "")
    return table


def _arms(item: Ratio | Change) -> str:
    first, second = item.arms
    return first if first == second else f"{second} / {first}"


def _range(ratio: Ratio) -> str:
    return "-" if ratio.range is None else f"[{ratio.range[0]:.3f}, {ratio.range[1]:.3f}]"


def _change(change: Change) -> str:
    if change.unit == "fraction":
        return f"{change.value * 100:+.2f} points"
    return f"{change.value:+.4g}"
