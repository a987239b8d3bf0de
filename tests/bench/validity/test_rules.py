"""Every kind of corruption is found at its largest, clean sessions are left alone.

The sessions and what may happen to them are the benchmark's (tests/benchmarks/validity); how small
a corruption may be to be found is measured there.
"""

from __future__ import annotations

import pytest

from pipeline.bench.records import Level, Record, Verdict
from tests.benchmarks.validity import __main__ as benchmark
from tests.benchmarks.validity.boards import KINDS, Kind
from tests.benchmarks.validity.corruptions import CORRUPTIONS
from tests.benchmarks.validity.session import POLICY, clean

PI4 = next(kind for kind in KINDS if kind.name == "pi4")
VM = next(kind for kind in KINDS if kind.name == "vm")


@pytest.mark.parametrize("name", sorted(CORRUPTIONS))
def test_a_large_corruption_is_found(name: str) -> None:
    what = CORRUPTIONS[name]
    line = benchmark.trial(what, what.magnitudes[-1], 7)
    assert line["detected"], line


@pytest.mark.parametrize("regime", ["burst", "sustained", "paced"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_clean_session_is_not_marked(kind: Kind, regime: str) -> None:
    made = clean(11, regime=regime, kind=kind)
    assert benchmark.of_record(benchmark.recorded(made)) == {}


def ondemand(kind: Kind = PI4) -> Record:
    made = clean(3, kind=kind)
    for look in made.looks:
        if f"{POLICY}/scaling_governor" in look["texts"]:
            look["texts"][f"{POLICY}/scaling_governor"] = "ondemand\n"
    return benchmark.recorded(made)


def test_a_pi_with_its_own_governor_gets_a_verdict_and_what_it_means() -> None:
    record = ondemand()
    assert record.invalid == []
    assert record.comparisons[0].verdict is not Verdict.INVALID
    (note,) = [c for c in record.cautions if c.kind == "GOVERNOR_NOT_PERFORMANCE"]
    assert note.level is Level.NOTE
    assert note.detail == "governor ondemand; the clock in the windows was 1800 MHz for 100.0%"


def test_where_no_file_tells_the_clock_it_is_measured() -> None:
    (note,) = [c for c in ondemand(VM).cautions if c.kind == "CLOCK_UNKNOWN"]
    assert note.level is Level.NOTE
    assert "MHz measured" in note.detail


def test_an_invalid_session_keeps_its_figures_and_loses_its_verdict() -> None:
    made = clean(4, kind=PI4)
    healthy = benchmark.recorded(clean(4, kind=PI4))
    CORRUPTIONS["sticky bit alone"].change(made, 18, benchmark.random.Random(1))
    record = benchmark.recorded(made)
    assert [c.kind for c in record.invalid] == ["THROTTLED"]
    assert record.comparisons[0].verdict is Verdict.INVALID
    assert record.comparisons[0].ratio == healthy.comparisons[0].ratio
    assert record.rows == healthy.rows
    assert len(record.processes) == len(healthy.processes)


def test_heat_belongs_to_the_sustained_regime_weak_supply_to_none() -> None:
    for bit, level in ((18, Level.NOTE), (16, Level.INVALID)):
        made = clean(5, kind=PI4, regime="sustained")
        for look in made.looks:
            look["texts"]["vcgencmd get_throttled"] = "throttled=0x0\n"
        made.looks[-1]["texts"]["vcgencmd get_throttled"] = f"throttled={1 << bit:#x}\n"
        record = benchmark.recorded(made)
        kinds = {c.kind: c.level for c in record.cautions}
        assert kinds["HELD_BY_HEAT" if bit == 18 else "UNDER_VOLTAGE"] is level


def test_bits_that_were_stuck_before_are_a_note() -> None:
    made = clean(6, kind=PI4)
    for look in made.looks:
        look["texts"]["vcgencmd get_throttled"] = "throttled=0x50000\n"
    record = benchmark.recorded(made)
    notes = [c for c in record.cautions if c.kind == "THROTTLED_BEFORE"]
    assert {c.detail for c in notes} == {
        "since its start: throttled", "since its start: under-voltage"
    }  # fmt: skip
    assert record.invalid == []


def test_an_emulators_clock_is_not_judged() -> None:
    from dataclasses import replace

    made = clean(8, kind=PI4)
    made.settings = replace(made.settings, emulated=True)
    for look in made.looks[3:]:
        look["texts"][f"{POLICY}/scaling_governor"] = "powersave\n"
    assert benchmark.recorded(made).invalid == []


def test_our_own_governor_is_no_change_of_governor() -> None:
    from dataclasses import replace

    made = clean(9, kind=PI4)
    made.settings = replace(made.settings, governor="performance")
    made.looks[0]["texts"][f"{POLICY}/scaling_governor"] = "ondemand\n"
    for look in made.looks[1:]:
        look["texts"][f"{POLICY}/scaling_governor"] = "performance\n"
    kinds = [c.kind for c in benchmark.recorded(made).cautions]
    assert not {"GOVERNOR_CHANGED", "GOVERNOR_NOT_PERFORMANCE"} & set(kinds)
