"""The comparison as text for a terminal of 100 columns."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.bench import told
from pipeline.bench.compare import Line, lines
from pipeline.bench.energy_table import energy_tables, sampler_note
from pipeline.bench.numbers import figure, ratio, shown
from pipeline.bench.records import Level, Record, Row, Steadiness, Verdict
from pipeline.bench.results import Stored
from pipeline.bench.session_warnings import SessionWarning
from pipeline.bench.terminal import terminal

LABEL = "emulated, 1 ns per instruction"
APART = "Instruction counts: no board's milliseconds, compare them with no other table"
COMMON = 0.95 + 1e-9
MOST_PROCESSES = 1000
_STYLES = {Verdict.FASTER: "green", Verdict.SLOWER: "red", Verdict.INVALID: "bold red"}
_MARKS = {Level.INVALID: "INVALID", Level.CAUTION: "!", Level.NOTE: "note"}
_COLUMNS = {
    "accuracy": "accuracy",
    "latency_p50": "p50",
    "latency_p90": "p90",
    "deadline_misses": "missed",
    "memory_peak": "peak memory",
    "file_size": "size",
}


def print_table(stored: Sequence[Stored], stream: TextIO | None = None) -> None:
    """Print every session: its machine, its arms, its warnings; emulated ones last and apart."""
    records = [item.record for item in stored]
    emulated = [record for record in records if record.emulated]
    with terminal(stream or sys.stdout) as console:
        for record in (r for r in records if not r.emulated):
            _print_session(console, record)
        if emulated:
            console.print(APART)
        for record in emulated:
            _print_session(console, record)


def _print_session(console: Console, record: Record) -> None:
    for text in heading(record):
        console.print(Text(text))
    console.print(_table(record))
    for title, table in energy_tables(record):
        console.print(Text(f"\n{title}"))
        console.print(table)
        console.print()
    notes = (*_notes(record), *told.choices(record), *told.costs(record), *sampler_note(record))
    for text in notes:
        console.print(Text(text))
    console.print()


def heading(record: Record) -> list[str]:
    """Two lines: what was measured when, and on which machine."""
    settings, machine = record.settings, record.machine
    threads = settings.get("threads", "?")
    how = f"{settings.get('processes', '?')} processes an arm, {threads} thread(s)"
    how += regime(settings)
    cpu = machine.cpu and (f"{machine.cpus} x {machine.cpu}" if machine.cpus else machine.cpu)
    runtime = f"{machine.runtime} {machine.runtime_version or '(version unknown)'}"
    kernel = machine.kernel and f"Linux {machine.kernel}"
    parts = [machine.name, machine.model, cpu, machine.os, kernel, runtime]
    where = f"{record.target} ({LABEL})" if record.emulated else record.target
    return [
        f"{record.recipe} on {where} | {record.started} | {how}",
        " | ".join(part for part in parts if part),
    ]


def _table(record: Record) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1))
    arms = list(lines(record))
    columns = {name: rows for name in _COLUMNS if (rows := _rows(name, arms))}
    table.add_column("arm", no_wrap=True, overflow="ellipsis")
    for name, rows in columns.items():
        table.add_column(_header(name, rows), justify="right", no_wrap=True)
    table.add_column(f"p50 / {record.arms[0].name}", no_wrap=True, overflow="ellipsis")
    for line in arms:
        cells = [figure(line.figures.get(name), shown(columns[name]).factor) for name in columns]
        table.add_row(line.arm, *cells, _verdict(line))
    return table


def _rows(name: str, arms: list[Line]) -> list[Row]:
    return [line.figures[name] for line in arms if name in line.figures]


def _header(name: str, rows: list[Row]) -> str:
    return f"{_COLUMNS[name]}\n{shown(rows).unit}"


def _verdict(line: Line) -> Text:
    if line.comparison is None:
        return Text("baseline" if line.is_baseline else "-")
    text = ratio(line.comparison, counted=line.record.emulated)
    return Text(text, style=_STYLES.get(line.comparison.verdict, ""))


def _notes(record: Record) -> list[str]:
    known = SessionWarning.__members__
    notes = [*_confidence(record), *_open(record), *_unsettled(record)]
    for caution in record.cautions:
        advice = f" ({known[caution.kind].advice})" if caution.kind in known else ""
        notes.append(f"{_MARKS[caution.level]} {caution.kind}: {caution.detail}{advice}")
    return notes


def _confidence(record: Record) -> Iterator[str]:
    """What the intervals of the ratios hold at, where it is not what all others hold at."""
    levels = sorted({item.confidence for item in record.comparisons if item.confidence > COMMON})
    if levels:
        shown = " and ".join(f"{level:.1%}" for level in levels)
        yield f"{len(record.comparisons)} ratios share one error rate (Holm): intervals at {shown}"


def _open(record: Record) -> Iterator[str]:
    """What would settle the comparisons that are undecided: a new session, not a longer one."""
    for item in record.comparisons:
        needed = item.pairs_needed
        if item.verdict is Verdict.UNDECIDED and needed and needed <= MOST_PROCESSES:
            how = f"a new session with --processes {needed}"
            yield f"{item.arm}: {how} would settle it, 4 times in 5"


def _unsettled(record: Record) -> Iterator[str]:
    """Counts of the processes that were not flat, arm by arm."""
    for arm in record.arms:
        found = [process for process in record.processes if process.arm == arm.name]
        counts = Counter(process.steadiness for process in found)
        if set(counts) <= {Steadiness.FLAT}:
            continue
        text = ", ".join(f"{counts[kind]} {kind}" for kind in Steadiness if counts[kind])
        left, total = sum(p.start for p in found), sum(p.samples for p in found)
        yield f"{arm.name}: {text}" + (f" ({left} of {total} samples left out)" if left else "")


def regime(settings: Mapping[str, Any]) -> str:
    """How the processes were driven, where it was not as fast as they go."""
    kind, rate = settings.get("regime", "burst"), settings.get("rate_hz")
    if kind == "paced" and rate:
        deadline_ms = settings.get("deadline_ms") or 1000 / rate
        return f" | paced: {rate:g} Hz, deadline {deadline_ms:.4g} ms"
    return "" if kind == "burst" else f" | {kind}"
