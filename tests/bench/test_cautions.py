"""Each warning is raised by its cause, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.bench.cautions import condition_cautions, foreign_cpus, sample_cautions, throttled
from pipeline.bench.records import Conditions
from pipeline.bench.session_warnings import SessionWarning

QUIET: dict[str, Any] = {
    "governors": {"policy0": "performance"}, "clock_mhz": {"policy0": 2400.0}, "throttled": 0,
    "temperature_c": {"cpu-thermal": 45.0}, "swap_used_kib": 100,
    "busy_ticks": 1000, "idle_ticks": 5000,
}  # fmt: skip
MIXED = {"policy0": "performance", "policy4": "ondemand"}
LATER = {**QUIET, "busy_ticks": 1100, "idle_ticks": 5300}


def kinds(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    cautions = condition_cautions(Conditions(**before), Conditions(**after), cpus=4, threads=1)
    return [caution.kind for caution in cautions]


def test_a_quiet_session_has_no_warning() -> None:
    assert kinds(QUIET, LATER) == []


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("HIGH_LOAD", {}, {"busy_ticks": 1200, "idle_ticks": 5200}),
        (
            "GOVERNOR_NOT_PERFORMANCE",
            {"governors": {"policy0": "performance", "policy4": "ondemand"}},
            {},
        ),
        ("CLOCK_UNKNOWN", {"governors": None}, {}),
        ("HOT", {}, {"temperature_c": {"cpu-thermal": 80.1}}),
        ("SWAPPING", {}, {"swap_used_kib": 101}),
        ("THROTTLED", {}, {"throttled": 0x4}),
        ("THROTTLED", {}, {"throttled": 0x40000}),
    ],
)
def test_each_cause_has_its_warning(
    kind: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert kinds({**QUIET, **before}, {**LATER, **after}) == [kind]


def test_an_emulators_clock_needs_no_governor() -> None:
    before, after = Conditions(governors={"policy0": "ondemand"}), Conditions(throttled=0x4)
    common = {"cpus": 1, "threads": 1}
    assert list(condition_cautions(before, after, **common))
    assert not list(condition_cautions(before, after, emulated=True, **common))


def test_an_old_sticky_bit_is_no_new_excursion() -> None:
    assert throttled(0x50000, 0x50000) == ()
    assert throttled(0x10000, 0x50000) == ("throttled",)
    assert throttled(None, None) == ()


def test_what_the_machine_does_not_tell_warns_of_the_clock_alone() -> None:
    assert kinds({}, {}) == ["CLOCK_UNKNOWN"]


def test_other_work_is_what_our_own_threads_leave() -> None:
    before, after = Conditions(**QUIET), Conditions(**{**QUIET, "busy_ticks": 1300})
    assert foreign_cpus(before, after, cpus=4, threads=1) == pytest.approx(3.0)
    assert foreign_cpus(before, after, cpus=4, threads=4) == 0.0
    assert foreign_cpus(before, after, cpus=None, threads=1) is None
    assert foreign_cpus(before, before, cpus=4, threads=1) is None


def test_processes_that_are_few_unsteady_or_failed() -> None:
    steady, wild = [1.0, 1.01] * 5, [1.0, 1.3] * 5
    assert list(sample_cautions({"a": steady}, 0)) == []
    found = sample_cautions({"a": steady, "b": wild, "c": steady[:5]}, 2)
    assert [c.kind for c in found] == ["UNSTEADY", "FEW_PROCESSES", "FAILED_PROCESSES"]


def test_every_warning_has_its_advice() -> None:
    assert all(len(warning.advice) > 20 for warning in SessionWarning)
    assert len({warning.advice for warning in SessionWarning}) == len(SessionWarning)
