"""The clocks that a board's figures rest on, and its core's own, measured."""

from __future__ import annotations

import time

import psutil
import pytest

from pipeline.agent import clocks, cycles, perf


def test_the_clocks_are_read_together() -> None:
    before = time.perf_counter_ns()
    read = clocks.together()
    assert before <= read["monotonic_ns"] <= time.perf_counter_ns()
    assert abs(read["realtime_ns"] - time.time_ns()) < 60e9
    assert read["boottime_ns"] >= read["monotonic_ns"] - 60e9
    assert read["width_ns"] >= 0


def test_an_interruption_between_reads_is_no_step_of_the_wall_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read, naps = time.clock_gettime_ns, iter([0.02, 0.0])

    def interrupted(clock: int) -> int:
        time.sleep(next(naps, 0.0))
        return read(clock)

    first = clocks.together()
    monkeypatch.setattr(clocks.time, "clock_gettime_ns", interrupted)
    last = clocks.together()
    assert last["width_ns"] < 10e6  # it was read again
    assert abs(clocks.stepped_ns(first, last)) < 1e6
    monkeypatch.setattr(clocks.time, "clock_gettime_ns", lambda clock: read(clock) + 50_000_000)
    assert clocks.stepped_ns(first, clocks.together()) == pytest.approx(50e6, abs=1e6)


def test_the_step_of_this_machines_clock_is_below_a_microsecond() -> None:
    assert 0 <= clocks.tick_ns() < 1000


def test_a_coarse_clock_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = time.perf_counter_ns
    monkeypatch.setattr(clocks.time, "perf_counter_ns", lambda: fine() // 10_000 * 10_000)
    assert clocks.tick_ns() == pytest.approx(10_000, abs=2)
    monkeypatch.setattr(clocks.time, "perf_counter_ns", lambda: fine() // 5_000_000 * 5_000_000)
    assert clocks.tick_ns() % 5_000_000 == 0


def test_the_measured_clock_is_one_that_processors_have() -> None:
    mhz = cycles.clock_mhz(cycles.chain())
    assert mhz is not None
    assert 200 < mhz < 7000
    told = psutil.cpu_freq()
    assert told is None or mhz < 3 * max(told.max, told.current)


def test_a_machine_without_code_for_it_has_no_measured_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cycles.platform, "machine", lambda: "m68k")
    assert cycles.chain() is None
    assert cycles.clock_mhz(None) is None


def test_cycles_are_counted_or_absent() -> None:
    counter = perf.Cycles()
    sum(range(1_000_000))
    mhz = counter.mhz()
    counter.close()
    assert mhz is None or 100 < mhz < 7000
    assert counter.mhz() is None
