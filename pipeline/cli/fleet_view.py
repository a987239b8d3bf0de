"""A fleet on the terminal: one live table while it runs, one summary at its end."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.bench.compare import lines
from pipeline.bench.numbers import figure, ratio, shown
from pipeline.bench.table import APART, LABEL
from pipeline.bench.terminal import terminal
from pipeline.fleet import Member, Outcome, Show
from pipeline.progress import say, shows


@contextlib.contextmanager
def live() -> Iterator[Show]:
    """A table of all boards that is drawn anew, or a line whenever a board's work changes."""
    if not shows():
        yield _Lines()
        return
    console = Console(stderr=True)
    with Live(console=console, transient=True, auto_refresh=False) as drawn:
        yield lambda members: drawn.update(_table(members), refresh=True)
    # The table is gone; the summary on stdout takes its place.


class _Lines:
    """Without a terminal: what each board does now, told once."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}

    def __call__(self, members: Sequence[Member]) -> None:
        for member in members:
            text = _state(member)
            if self._told.get(member.board) != text:
                self._told[member.board] = text
                say(f"{member.board}: {text}")


def _table(members: Sequence[Member]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("board", "state", "", "seconds", "silent"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for member in members:
        over = member.outcome is not None
        count = f"{member.done}/{member.total}" if member.total and not over else ""
        silent = "" if over or member.silent_s < 3 else f"{member.silent_s:.0f} s"
        style = _style(member.outcome)
        state = Text(_state(member), style=style)
        table.add_row(Text(member.board), state, count, f"{member.seconds:.0f}", silent)
    return table


def _style(outcome: Outcome | None) -> str:
    return "" if outcome is None else "red" if outcome.error else "green"


def _state(member: Member) -> str:
    if member.outcome is None:
        return member.label
    return _short(member.outcome) if member.outcome.error else f"done in {member.seconds:.0f} s"


def _short(outcome: Outcome) -> str:
    """An error's first line without the board's name, which stands beside it."""
    what = getattr(outcome.error, "what", "") or repr(outcome.error)
    return str(what).splitlines()[0]


def print_summary(outcomes: Sequence[Outcome], stream: TextIO | None = None) -> None:
    """All boards' arms side by side, emulated ones apart, then the boards that have no record."""
    measured = [o for o in outcomes if o.stored is not None]
    with terminal(stream or sys.stdout) as console:
        for emulated in (False, True):
            kind = [o for o in measured if o.stored and o.stored.record.emulated is emulated]
            if kind:
                if emulated:
                    console.print(f"{APART}\n({LABEL})")
                console.print(_summary(kind))
                console.print()
        for outcome in outcomes:
            if outcome.error is not None:
                console.print(Text(_failed(outcome)))
        console.print(f"{len(measured)} of {len(outcomes)} boards measured")
    for outcome in measured:
        assert outcome.stored is not None
        say(f"record of {outcome.board}: {outcome.stored.folder}")


def _failed(outcome: Outcome) -> str:
    said = str(outcome.error)
    named = said if said.startswith(outcome.board) else f"{outcome.board}: {said}"
    return f"FAILED ({outcome.exit_code}): {named}"


def _summary(outcomes: Sequence[Outcome]) -> Table:
    """A row an arm of each board: p50, accuracy, and the ratio to that board's own baseline."""
    records = {o.board: o.stored.record for o in outcomes if o.stored}
    rows = [(board, line) for board, record in records.items() for line in lines(record)]
    columns = {
        name: [line.figures[name] for _, line in rows if name in line.figures]
        for name in ("accuracy", "latency_p50")
    }
    columns = {name: found for name, found in columns.items() if found}
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1))
    table.add_column("board", no_wrap=True, overflow="ellipsis")
    table.add_column("arm", no_wrap=True, overflow="ellipsis")
    for name, found in columns.items():
        head = "p50" if name == "latency_p50" else name
        table.add_column(f"{head}\n{shown(found).unit}", justify="right", no_wrap=True)
    table.add_column("p50 / baseline", no_wrap=True)
    told = ""
    for board, line in rows:
        cells = [figure(line.figures.get(n), shown(found).factor) for n, found in columns.items()]
        compared = line.comparison
        verdict = ratio(compared, counted=line.record.emulated) if compared else "baseline"
        table.add_row(Text("" if board == told else board), Text(line.arm), *cells, verdict)
        told = board
    return table
