"""Bounds for a pipeline: the language, and what is held, broken or open."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.bench.differences import difference, ratio
from pipeline.bench.gate import METRICS, UNITS, Gate, parse
from pipeline.bench.gate_check import Outcome, check_across, check_record, enforce, outcome
from pipeline.bench.records import Verdict
from pipeline.errors import GateFailed, UsageError
from tests.bench.sessions import comparison, record, row


@pytest.mark.parametrize(
    ("text", "metric", "above", "bound", "unit"),
    [
        ("latency>+3%", "latency", True, 0.03, None),
        ("latency > -10 %", "latency", True, -0.1, None),
        ("p99>20ms", "p99", True, 20e6, "ns"),
        ("p90>1.5us", "p90", True, 1500, "ns"),
        ("memory>64MiB", "memory", True, 64 * 1024**2, "bytes"),
        ("size>+0%", "size", True, 0, None),
        ("accuracy<-1%", "accuracy", False, -0.01, None),
        ("accuracy<90%", "accuracy", False, 0.9, "fraction"),
        ("energy>2J", "energy", True, 2000, "mJ"),
        ("latency>2000000instructions", "latency", True, 2e6, "instructions"),
    ],
)
def test_the_language(text: str, metric: str, above: bool, bound: float, unit: str | None) -> None:
    found = parse(text)
    assert (found.metric, found.above, found.unit) == (metric, above, unit)
    assert found.bound == pytest.approx(bound)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no bound"), ("latency", "is no bound"), ("latency>", "is no bound"),
        ("latency>3", "is no bound"), ("latency=3%", "is no bound"),
        ("latency>=+3%", "is no bound"), ("latency>+-3%", "is no bound"),
        ("latency>+3% and p90>+3%", "is no bound"), ("latency>+1e3%", "is no bound"),
        ("speed>+3%", "'speed' is no metric"), ("latency>+3ms", "absolute bound has no sign"),
        ("latency>3%", "change against the baseline has a sign"),
        ("latency>3parsec", "'parsec' is no unit"), ("memory>3ms", "memory is not in ms"),
        ("latency>3KiB", "latency is not in KiB"), ("size>3mJ", "size is not in mJ"),
    ],
)  # fmt: skip
def test_what_is_no_bound_is_refused_with_the_valid_forms(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        parse(text)
    assert "fix: " in str(refused.value)


@given(st.sampled_from(list(METRICS)), st.sampled_from("<>"), st.floats(0, 1e4))
def test_every_metric_takes_a_change(metric: str, op: str, bound: float) -> None:
    found = parse(f"{metric}{op}+{bound:.4f}%")
    assert found.bound == pytest.approx(round(bound, 4) / 100)
    assert found.unit is None


def test_every_unit_is_understood() -> None:
    understood = set()
    for metric in METRICS:
        for unit, (kind, factor) in UNITS.items():
            with contextlib.suppress(UsageError):
                found = parse(f"{metric}<1{unit}")
                assert (found.unit, found.bound) == (kind, factor)
                understood.add(unit)
    assert understood == set(UNITS)


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 1))
def test_the_interval_decides(bound: float, middle: float, half: float) -> None:
    interval = (middle - half, middle + half)
    above = outcome(Gate("", "latency", True, bound, None), interval)
    below = outcome(Gate("", "latency", False, bound, None), interval)
    assert (above is Outcome.BROKEN) == (interval[0] > bound)
    assert (above is Outcome.HELD) == (interval[1] <= bound)
    assert (below is Outcome.BROKEN) == (interval[1] < bound)
    assert (below is Outcome.HELD) == (interval[0] >= bound)


def test_without_an_interval_nothing_is_proved() -> None:
    assert outcome(parse("latency>+3%"), None) is Outcome.UNDECIDED


def outcomes(*texts: str, **changes: Any) -> dict[tuple[str, str], str]:
    found = check_record([parse(text) for text in texts], record(**changes))
    return {(f.gate, f.arm): f.outcome.value for f in found}


def test_every_arm_but_the_baseline_is_held_to_every_bound() -> None:
    assert outcomes("latency>-50%", "p90>2ms", "size>100KiB", "accuracy<91%") == {
        ("latency>-50%", "dense int8"): "BROKEN",
        ("latency>-50%", "pruned int8"): "HELD",
        ("p90>2ms", "dense int8"): "HELD",
        ("p90>2ms", "pruned int8"): "HELD",
        ("size>100KiB", "dense int8"): "HELD",
        ("size>100KiB", "pruned int8"): "HELD",
        ("accuracy<91%", "dense int8"): "UNDECIDED",
        ("accuracy<91%", "pruned int8"): "UNDECIDED",
    }


def test_a_change_in_latency_is_the_comparisons() -> None:
    slower = comparison("dense int8", 1.05, Verdict.SLOWER)
    found = check_record(
        [parse("latency>+2%")],
        record(comparisons=[slower, comparison("pruned int8", 0.5, Verdict.FASTER)]),
    )
    assert found[0].interval == pytest.approx((0.05 * 0.98 - 0.02, 0.071), abs=1e-3)
    assert [f.outcome.value for f in found] == ["BROKEN", "HELD"]
    with pytest.raises(GateFailed, match=r"latency>\+2% is BROKEN for dense int8: \+5.00%"):
        enforce(found, undecided_fails=False)


def test_the_size_of_a_file_is_exact() -> None:
    assert set(outcomes("size>+0%").values()) == {"HELD"}
    assert set(outcomes("size<+0%").values()) == {"BROKEN"}


def test_what_was_not_measured_never_passes() -> None:
    assert set(outcomes("energy>+5%").values()) == {"UNMEASURED"}
    assert set(outcomes("latency>5ms", emulated=True).values()) == {"UNMEASURED"}
    assert "UNMEASURED" not in outcomes("latency>+3%", emulated=True).values()
    with pytest.raises(GateFailed, match=r"energy>\+5% is UNMEASURED for dense int8\n"):
        enforce(check_record([parse("energy>+5%")], record()), undecided_fails=False)


def test_a_change_in_energy_is_the_ratio_that_one_meter_gives() -> None:
    """The meter's gain error is in both energies, and not in their ratio."""
    each = [row(arm, "energy_net", "mJ", 10, 8, 12, scope="rail") for arm in ("a", "b")]
    ratio_ = row("b", "energy_net_ratio", "ratio", 1.0, 0.99, 1.01, scope="rail")
    arms = [a.model_copy(update={"name": n}) for a, n in zip(record().arms, "ab", strict=False)]
    for rows, outcome_ in (([*each, ratio_], "HELD"), (each, "UNDECIDED")):
        found = check_record([parse("energy>+5%")], record(arms=arms, rows=rows, comparisons=[]))
        assert [f.outcome.value for f in found] == [outcome_]


def test_a_lone_arm_has_absolute_bounds_only() -> None:
    alone = record().arms[:1]
    assert outcomes("latency>1ms", arms=alone) == {("latency>1ms", "dense fp32"): "BROKEN"}
    with pytest.raises(UsageError, match="one arm only"):
        outcomes("latency>+1%", arms=alone)


def test_open_bounds_fail_only_where_that_is_asked_for() -> None:
    found = check_record([parse("accuracy<91%")], record())
    enforce(found, undecided_fails=False)
    with pytest.raises(GateFailed, match="UNDECIDED"):
        enforce(found, undecided_fails=True)


def test_distances_to_the_ends_add_in_squares() -> None:
    first, second = row("a", "m", "KiB", 100, 97, 104), row("b", "m", "KiB", 110, 106, 113)
    assert difference(first, second) == pytest.approx((10 - 32**0.5, 10 + 18**0.5))
    both = ratio(first, second)
    assert both is not None and both[0] < 1.1 < both[1]
    assert ratio(first, row("b", "m", "KiB", 1)) is None
    assert ratio(row("a", "m", "mJ", 1, -1, 2), second) is None


def test_two_sessions_prove_no_change_in_time() -> None:
    gates = [parse(text) for text in ("size>+0%", "memory>+50%", "latency>5ms")]
    assert {f.outcome for f in check_across(gates, record(), record())} == {Outcome.HELD}
    with pytest.raises(UsageError, match=r"no change in p90\n.*bench both in one session"):
        check_across([parse("p90>+3%")], record(), record())
