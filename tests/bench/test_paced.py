"""Deadline misses and service time of a paced session."""

from __future__ import annotations

import pytest

from pipeline.bench.paced import paced_rows
from pipeline.bench.settings import SessionSettings
from tests.bench.sessions import process

PACED = SessionSettings("pi", regime="paced", rate_hz=100.0)


def events(late: int, count: int = 50) -> list[dict]:
    samples = [20_000_000] * late + [3_000_000] * (count - late)
    return [process(n, "a", samples, service_ns=[2_500_000] * count) for n in range(8)]


def test_misses_are_counted_against_the_period() -> None:
    misses, service = paced_rows("a", events(5), PACED)
    assert (misses.name, misses.value, misses.n) == ("deadline_misses", 0.1, 400)
    assert misses.scope == "deadline 10 ms"
    assert misses.interval is not None
    assert misses.interval[0] < 0.1 < misses.interval[1]
    assert (service.name, service.value, service.unit) == ("service_p50", 2_500_000, "ns")


def test_a_deadline_of_ones_own() -> None:
    own = SessionSettings("pi", regime="paced", rate_hz=100.0, deadline_ms=25.0)
    misses, _ = paced_rows("a", events(5), own)
    assert misses.value == 0
    assert misses.interval is not None and misses.interval[1] < 0.02


def test_processes_that_differ_widen_the_interval() -> None:
    alike, _ = paced_rows("a", events(25), PACED)
    apart, _ = paced_rows("a", events(50)[:4] + events(0)[4:], PACED)
    assert alike.value == apart.value == 0.5
    assert alike.interval is not None and apart.interval is not None
    width = [high - low for low, high in (alike.interval, apart.interval)]
    assert width[1] > 3 * width[0]


@pytest.mark.parametrize("regime", ["burst", "sustained"])
def test_other_regimes_have_no_deadline(regime: str) -> None:
    assert not list(paced_rows("a", events(5), SessionSettings("pi", regime=regime)))


def test_an_emulators_service_is_a_count() -> None:
    emulated = SessionSettings("v", regime="paced", rate_hz=100.0, emulated=True)
    _, service = paced_rows("a", events(0), emulated)
    assert service.unit == "instructions"
