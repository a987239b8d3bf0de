"""Joules from raw rows: counters that wrap, power that is integrated, and nothing from nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.board.energy import energy_j

S = 1_000_000_000
RAPL = {"max_energy_range_uj": "262143328850"}


def test_a_counter_gives_its_difference_in_joules():
    rows = [[0, "1000000"], [S, "4000000"], [2 * S, "5000000"]]
    assert energy_j("rapl", RAPL, rows, 0, 2 * S) == pytest.approx(4.0)
    assert energy_j("rapl", RAPL, rows, S // 2, S) == pytest.approx(1.5)


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=30), st.integers(1, 262143328849))
def test_a_counter_that_wraps_loses_nothing(steps, start):
    wrap, total, rows = int(RAPL["max_energy_range_uj"]), start, []
    for i, step in enumerate(steps):
        rows.append([i * S, str(total % wrap)])
        total += step
    true_j = sum(steps[:-1]) * 1e-6
    measured = energy_j("rapl", RAPL, rows, 0, (len(rows) - 1) * S)
    assert measured == pytest.approx(true_j, abs=1e-6)


def test_power_is_integrated_over_the_window():
    rows = [[i * S // 10, str(3_000_000 if i < 10 else 5_000_000)] for i in range(21)]
    assert energy_j("hwmon", {}, rows, 0, 9 * S // 10) == pytest.approx(2.7)
    assert energy_j("hwmon", {}, rows, S, 2 * S) == pytest.approx(5.0)


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [[0, "5"]],
        [[0, "5"], [S // 2, "6"]],
        [[S // 2, "5"], [2 * S, "6"]],
        [[0, "n/a"], [S, ""]],
    ],
)
def test_what_was_not_measured_is_none_never_zero(rows):
    assert energy_j("rapl", RAPL, rows, 0, S) is None


def test_monotonic_times_of_a_long_uptime_keep_their_precision():
    late = 400 * 86400 * S
    rows = [[late + i, str(i)] for i in range(0, 1000, 10)]
    assert energy_j("rapl", RAPL, rows, late + 15, late + 25) == pytest.approx(10e-6)
