"""Energy of an inference: from readings that span the window, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.bench.energy import energy_rows, rails
from pipeline.bench.records import Row
from tests.bench.sessions import process

S = 1_000_000_000


def readings(microwatts: int, *, until_s: int = 10, label: str = "VDD_IN") -> list[dict[str, Any]]:
    """A constant draw, read ten times a second, in two events."""
    rows = [[n * S // 10, str(microwatts)] for n in range(10 * until_s + 1)]
    about = {"name": "ina226", "in1_label": label}
    common = {"event": "readings", "sensor": "hwmon", "channel": f"/{label}", "about": about}
    return [{**common, "rows": rows[:7]}, {**common, "rows": rows[7:]}]


def windows(count: int) -> list[dict[str, Any]]:
    """Processes of 100 inferences in half a second each."""
    return [
        process(n, "a", [5_000_000] * 100, window_ns=[n * S, n * S + S // 2]) for n in range(count)
    ]


def found(events: list[dict[str, Any]], count: int = 8) -> list[Row]:
    return list(energy_rows("a", windows(count), rails(events)))


def test_two_watts_for_five_milliseconds_are_ten_millijoules() -> None:
    (row,) = found(readings(2_000_000))
    assert row.value == pytest.approx(10.0)
    assert row.interval == pytest.approx((10.0, 10.0))
    assert (row.name, row.unit, row.scope, row.n) == ("energy_gross", "mJ", "hwmon VDD_IN", 8)


def test_rails_stay_apart() -> None:
    rows = found([*readings(3_000_000, label="VDD_SOC"), *readings(2_000_000)])
    assert [(row.scope, round(row.value, 6)) for row in rows] == [
        ("hwmon VDD_IN", 10.0),
        ("hwmon VDD_SOC", 15.0),
    ]


def test_no_sensor_no_row() -> None:
    assert found([]) == []


def test_a_window_that_the_readings_do_not_span_does_not_count() -> None:
    (row,) = found(readings(2_000_000, until_s=3))
    assert row.n == 3
    assert found(readings(2_000_000, until_s=0)) == []
