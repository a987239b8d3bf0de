"""The verdict on a file of raw samples, for people."""

from __future__ import annotations

import io

from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.bench.judged import BASELINE, CANDIDATE, Judged
from pipeline.bench.numbers import figure, shown
from pipeline.bench.records import Interval, Verdict

COLUMNS = {"latency_p50": "p50", "latency_p90": "p90", "latency_p99": "p99"}
_SAID = {
    Verdict.FASTER: "b takes {ratio} times as long as a",
    Verdict.SLOWER: "b takes {ratio} times as long as a",
    Verdict.EQUIVALENT: "b / a is {ratio}, within 1 %",
    Verdict.UNDECIDED: "b / a is {ratio}",
}


def text(judged: Judged) -> str:
    """The verdict first, then what it rests on."""
    found = judged.decision
    said = _SAID[found.verdict].format(ratio=f"{found.ratio:.4f}")
    lines = [
        f"{found.verdict}: {said}{_ends(found.interval, f'; {found.confidence:.0%} interval')}"
    ]
    if found.pairs_needed:
        lines.append(f"a new session needs ~{found.pairs_needed} pairs for a verdict")
    lines += [_pairs(judged), "", _table(judged), ""]
    return "\n".join([*lines, *(_steady(judged, arm) for arm in (BASELINE, CANDIDATE))])


def _pairs(judged: Judged) -> str:
    found, traces = judged.decision, judged.traces
    told = f"{found.pairs} pairs of processes"
    if traces.by_index:
        told += ", by index: the file names none"
    if traces.lost:
        told += f", {traces.lost} more lost with a process that gave no samples"
    rate = f"decided by Student's interval, at an error rate of {1 - found.confidence:.0%}"
    beside = _ends(found.bootstrap, "; the bootstrap, beside it:")
    return f"{told}\n{rate}{beside}"


def _ends(interval: Interval | None, before: str) -> str:
    return "" if interval is None else f"{before} [{interval[0]:.4f}, {interval[1]:.4f}]"


def _table(judged: Judged) -> str:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    columns = {name: [row for row in judged.rows if row.name == name] for name in COLUMNS}
    for name, rows in columns.items():
        table.add_column(f"{COLUMNS[name]}\n{shown(rows).unit}", justify="right")
    for arm in (BASELINE, CANDIDATE):
        cells = [
            figure(next(row for row in rows if row.arm == arm), shown(rows).factor)
            for rows in columns.values()
        ]
        table.add_row(arm, *cells)
    stream = io.StringIO()
    Console(file=stream, width=100).print(table)
    return stream.getvalue().rstrip()


def _steady(judged: Judged, arm: str) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in judged.counts(arm).items())
    left = judged.left_out(arm)
    return f"{arm}: {counts}{f' ({left} warm-up samples left out)' if left else ''}"
