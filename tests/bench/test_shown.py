"""Tables and exports of fixed records, byte by byte.

After a wanted change: `python -m tests.bench.test_shown` writes the files anew; read the diff.
"""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import select
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.bench.across import across
from pipeline.bench.across_table import print_across
from pipeline.bench.compare import newest
from pipeline.bench.export import to_csv, to_json
from pipeline.bench.records import Process, Record, Steadiness, Verdict
from pipeline.bench.results import Stored
from pipeline.bench.table import print_table
from tests.bench.sessions import comparison, record, row

GOLDEN = Path(__file__).parent.parent / "golden" / "bench"
WIDTH = 100


def stored(*records: Record) -> list[Stored]:
    return [Stored(Path(each.id), each) for each in records]


def sparse() -> Record:
    """No accuracy, one arm with energy, microseconds, a slower candidate, and no machine facts."""
    rows = [
        row("a", "latency_p50", "ns", 1_362, 1_350, 1_900),
        row("b", "latency_p50", "ns", 3_565),
        row("b", "energy_net", "mJ", 0.0815, 0.08, 0.083, scope="board input"),
    ]
    machine = record().machine.model_copy(
        update={"model": None, "cpu": None, "os": None, "kernel": None, "runtime_version": None}
    )
    entries = [
        arm.model_copy(update={"name": n}) for arm, n in zip(record().arms, "ab", strict=False)
    ]
    slower = comparison("b", 2.62, Verdict.SLOWER).model_copy(update={"baseline": "a"})
    return record("20261124T000000Z-files-local-1", recipe="bench a+b", arms=entries, rows=rows,
                  machine=machine, comparisons=[slower], cautions=[])  # fmt: skip


def emulated() -> Record:
    return record("20261125T000000Z-demo-vb-2", target="virtual", emulated=True)


def table() -> str:
    stream = io.StringIO()
    print_table(stored(emulated(), record(), sparse()), stream)
    return stream.getvalue()


def emulated_table() -> str:
    """Millions of instructions, and thousands where all are small."""
    small = [
        r.model_copy(update={"value": r.value / 10, "interval": None}) if r.unit == "instructions"
        else r
        for r in emulated().rows
    ]  # fmt: skip
    stream = io.StringIO()
    fewer = record("20261125T000001Z-small-vb-3", target="virtual", emulated=True, rows=small)
    print_table(stored(emulated(), fewer), stream)
    return stream.getvalue()


def two_emulated() -> str:
    stream = io.StringIO()
    other = record("20261126T000000Z-demo-vb-4", target="virtual", emulated=True)
    cpu = other.machine.model_copy(update={"cpu": "Cortex-A72"})
    other = other.model_copy(update={"machine": cpu})
    print_across(emulated(), other, across(emulated(), other), stream)
    return stream.getvalue()


def two() -> str:
    stream, first = io.StringIO(), record()
    changed = first.machine.model_copy(update={"runtime_version": "2.2.0"})
    digests = ["f" * 64, *(arm.digest for arm in first.arms[1:])]
    entries = [
        arm.model_copy(update={"digest": digest})
        for arm, digest in zip(first.arms, digests, strict=True)
    ]
    second = record("20261126T000000Z-demo-local-3", machine=changed, arms=entries)
    print_across(first, second, across(first, second), stream)
    return stream.getvalue()


def as_csv() -> str:
    return to_csv(stored(record(), sparse()))


def emulated_csv() -> str:
    return to_csv(stored(emulated()))


SHOWN: dict[str, Callable[[], str]] = {
    "table.txt": table, "two.txt": two, "compare.csv": as_csv,
    "emulated.txt": emulated_table, "two_emulated.txt": two_emulated, "emulated.csv": emulated_csv,
}  # fmt: skip


@pytest.mark.parametrize("name", SHOWN)
def test_shown_as_it_was(name: str) -> None:
    assert SHOWN[name]() == (GOLDEN / name).read_text()


def test_the_table_is_plain_text_for_a_narrow_terminal() -> None:
    text = table()
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 120
    ruled = [line for line in text.splitlines() if line.startswith("──")]
    assert max(map(len, ruled)) <= WIDTH


def test_missing_is_a_dash_and_never_a_nought() -> None:
    stream = io.StringIO()
    print_table(stored(sparse()), stream)
    line = next(line for line in stream.getvalue().splitlines() if line.startswith("a "))
    assert line.split() == ["a", "1.362", "baseline"]
    *_, line = (line for line in stream.getvalue().splitlines() if line.startswith("a "))
    assert line.split() == ["a", "-", "-", "-", "-"]


def in_terminal() -> bytes:
    """What print_table writes to a terminal."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        print_table(stored(sparse()), terminal)
        terminal.flush()
        text = b""
        while select.select([ours], [], [], 0.5)[0]:  # a terminal hands out what has arrived
            text += os.read(ours, 100_000)
    os.close(ours)
    return text


def test_a_terminal_has_colour_unless_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert b"\x1b[" in in_terminal()
    monkeypatch.setenv("NO_COLOR", "1")
    assert b"\x1b" not in in_terminal()


def test_processes_that_did_not_settle_are_counted() -> None:
    states = [Steadiness.FLAT, Steadiness.WARM_UP, Steadiness.SLOWDOWN, Steadiness.FLAT]
    processes = [
        Process(index=n, arm="dense int8", steadiness=state, start=30 * (n == 1), samples=100)
        for n, state in enumerate(states)
    ]
    three = [item.model_copy(update={"confidence": 0.975}) for item in record().comparisons]
    stream = io.StringIO()
    print_table(stored(record(processes=processes, comparisons=three)), stream)
    shown = stream.getvalue()
    assert "dense int8: 2 flat, 1 warm-up, 1 slowdown (30 of 400 samples left out)" in shown
    assert shown.count("samples left out") == 1
    assert "2 ratios share one error rate (Holm): intervals at 97.5%" in shown


def test_csv_leaves_what_is_missing_empty() -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv())))
    p50 = next(x for x in lines if x["recipe"] == "bench a+b" and x["arm"] == "b")
    assert (p50["value"], p50["low"], p50["verdict"], p50["cpu"]) == ("3565.0", "", "", "")
    ratios = {x["arm"]: x["verdict"] for x in lines if x["name"] == "latency_ratio"}
    assert ratios == {"dense int8": "FASTER", "pruned int8": "UNDECIDED", "b": "SLOWER"}


def test_json_is_one_document_that_holds_the_records() -> None:
    found = json.loads(to_json(stored(record(), sparse())))
    assert [Record.model_validate(each) for each in found["records"]] == [record(), sparse()]


def test_the_newest_session_of_each_recipe_and_board() -> None:
    old, new = record("20260101T000000Z-a"), record("20260102T000000Z-b")
    other = record("20250101T000000Z-c", target="pi4")
    machine = record().machine.model_copy(update={"name": "its-twin"})
    twin = record("20250102T000000Z-d", target="pi4", machine=machine)
    assert newest(stored(new, other, twin, old)) == stored(other, twin, new)


if __name__ == "__main__":
    for file, make in SHOWN.items():
        (GOLDEN / file).write_text(make())
