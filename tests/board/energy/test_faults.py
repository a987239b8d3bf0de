"""Faults of a sensor are named from its readings alone; a sound sensor has none."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.board.energy.faults import sensor_faults
from pipeline.board.energy.rail import Rail
from tests.board.energy.traces import LATE, S, rail

COUNT = 400


def power(seed: int, step_w: float = 0.00625, noise_w: float = 0.02) -> np.ndarray:
    """Idle and work by turns, in steps of the sensor."""
    chance = np.random.default_rng(seed)
    level = np.where(np.arange(COUNT) // 100 % 2, 5.0, 3.0)
    return np.round((level + chance.normal(0, noise_w, COUNT)) / step_w) * step_w


def kinds(found: Rail, *changes: tuple[int, int]) -> set[str]:
    return {fault.kind for fault in sensor_faults(found, changes)}


def changes_of(found: Rail) -> list[tuple[int, int]]:
    return [(found.rows[n - 2][0], found.rows[n + 2][0]) for n in (100, 200, 300)]


@pytest.mark.parametrize("step_w", [0.0001, 0.00625, 0.1, 0.5])
@pytest.mark.parametrize("noise_w", [0.0, 0.005, 0.05])
def test_a_sound_sensor_has_no_fault(step_w: float, noise_w: float) -> None:
    """However coarse it is: readings that repeat in steady power are no frozen ones."""
    for seed in range(25):
        sound = rail(power(seed, step_w, noise_w))
        assert sensor_faults(sound, changes_of(sound)) == []


def test_steady_idle_below_a_coarse_step_is_no_frozen_sensor() -> None:
    chance = np.random.default_rng(0)
    values = np.full(COUNT, 3.0)
    values[140:260] = np.round(chance.uniform(4, 6, 120), 2)
    values[260:] += 0.01
    assert kinds(rail(values)) == set()


def test_frozen_for_some_seconds() -> None:
    values = power(1)
    values[130:190] = values[130]
    assert kinds(rail(values)) == {"frozen"}


def test_frozen_over_the_begin_of_work_however_coarse() -> None:
    values = power(1, step_w=0.5, noise_w=0.0)
    values[80:140] = values[80]
    frozen = rail(values)
    assert kinds(frozen, *changes_of(frozen)) == {"frozen"}


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_dropped_readings(share: float) -> None:
    whole = rail(power(2))
    lost = int(share * COUNT)
    gap = Rail(whole.sensor, whole.about, [*whole.rows[:150], *whole.rows[150 + lost :]])
    assert kinds(gap) == {"dropping"}
    broken = [[t, "n/a" if n % 5 == 0 else text] for n, (t, text) in enumerate(whole.rows)]
    assert kinds(Rail(whole.sensor, whole.about, broken)) == {"dropping"}


def test_negative_power() -> None:
    values = power(3)
    values[50] = -2.0
    assert kinds(rail(values)) == {"negative"}


def test_saturated_at_the_end_of_its_range() -> None:
    assert kinds(rail(np.minimum(power(4, 0.001, 0.05), 5.0))) == {"saturated"}
    over = rail(power(4), "scpi")
    over.rows[70] = [over.rows[70][0], "+9.9E37"]
    assert kinds(over) == {"saturated"}


@pytest.mark.parametrize("factor", [1e-3, 1e3, 1e-6])
def test_a_unit_that_is_off(factor: float) -> None:
    assert "unit-off" in kinds(rail(power(5) * factor))


def test_a_unit_that_changes_on_the_way() -> None:
    values = power(5)
    values[300:] *= 1000
    assert "unit-off" in kinds(rail(values))


def test_volts_that_are_no_supply() -> None:
    rows = [[LATE + n * S // 10, f"5 {900 + n % 7}"] for n in range(100)]
    about = {"name": "ina3221", "label": "VDD_IN"}
    assert "unit-off" in kinds(Rail("ina3221", about, rows))


def counter(joules: np.ndarray, wrap_j: float = 262143.32885) -> Rail:
    rows = [[LATE + n * S // 10, f"{j * 1e6:.0f}"] for n, j in enumerate(joules)]
    about = {"name": "package-0", "max_energy_range_uj": f"{wrap_j * 1e6:.0f}"}
    return Rail("rapl", about, rows)


def test_a_counter_may_wrap_at_its_range_and_nowhere_else() -> None:
    run = np.cumsum(np.random.default_rng(0).uniform(0.5, 2.0, 200))
    assert kinds(counter((262100 + run) % 262143.32885)) == set()
    fallen = 5000 + run
    fallen[120:] -= fallen[120]
    assert kinds(counter(fallen)) == {"wrapping"}


def test_a_counter_that_stands_still_is_frozen() -> None:
    run = np.cumsum(np.random.default_rng(0).uniform(0.5, 2.0, 200))
    run[60:90] = run[60]
    assert kinds(counter(run)) == {"frozen"}


def test_too_few_readings_say_nothing() -> None:
    assert sensor_faults(rail(power(0)[:5])) == []
    assert sensor_faults(Rail("hwmon", {"name": "ina226"})) == []
