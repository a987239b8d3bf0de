"""Two sessions: ratios, never a verdict, and the command that would give one."""

from __future__ import annotations

import shlex

import pytest

from pipeline.bench.across import across
from pipeline.bench.records import Record
from pipeline.errors import UsageError
from tests.bench.sessions import record


def renamed(source: Record, names: str, digest: str = "e" * 64) -> Record:
    """The same figures under other arm names, from other files."""
    old = [arm.name for arm in source.arms]
    new = dict(zip(old, names, strict=True))
    arms = [a.model_copy(update={"name": new[a.name], "digest": digest}) for a in source.arms]
    rows = [r.model_copy(update={"arm": new[r.arm]}) for r in source.rows]
    return source.model_copy(update={"arms": arms, "rows": rows, "comparisons": []})


def test_a_session_against_itself_has_ratios_of_one_and_nothing_to_settle() -> None:
    found = across(record(), record())
    assert {ratio.value for ratio in found.ratios} == {1.0}
    assert all(r.range is None or r.range[0] < 1 < r.range[1] for r in found.ratios)
    assert [change.value for change in found.accuracy] == [0.0] * 3
    assert (found.differences, found.commands) == ([], [])


def test_arms_without_a_common_name_go_against_the_baseline() -> None:
    found = across(record(), renamed(record(), "abc"))
    pairs = {ratio.arms for ratio in found.ratios}
    assert pairs == {("dense fp32", "a"), ("dense fp32", "b"), ("dense fp32", "c")}


def test_the_command_names_both_files_and_every_target() -> None:
    other = renamed(record(target="pi 4"), ["dense fp32", "x", "y"])
    commands = [shlex.split(line) for line in across(record(), other).commands]
    files = ["/m/dense fp32.tflite"] * 2
    assert commands == [
        ["secateur", "bench", *files, "--target", "local"],
        ["secateur", "bench", *files, "--target", "pi 4"],
    ]


def test_other_conditions_are_named() -> None:
    settings = {**record().settings, "threads": 4}
    found = across(record(), record(settings=settings, target="pi4"))
    assert found.differences == ["target: local / pi4", "threads: 1 / 4"]


def test_what_one_session_did_not_measure_has_no_ratio() -> None:
    rows = [row for row in record().rows if row.name == "file_size"]
    found = across(record(), record(rows=rows))
    assert {ratio.figure for ratio in found.ratios} == {"file_size"}
    assert found.accuracy == []


def test_an_emulated_session_is_compared_with_its_kind_only() -> None:
    with pytest.raises(UsageError, match=r"vb-1: is emulated.*\n.*one kind"):
        across(record(), record("vb-1", emulated=True))
    assert across(record(emulated=True), record(emulated=True)).ratios
