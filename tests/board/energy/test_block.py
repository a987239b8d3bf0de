"""Energy of a block between idle windows: what counts, what cancels, and nothing from nothing."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.board.energy import Accuracy, block_energy
from pipeline.board.energy.trace import counted, sampled
from tests.board.energy.traces import S, at, trace

BEFORE, ACTIVE, AFTER = at(0, 10), at(11, 21), at(22, 32)
GOOD = Accuracy(gain=0.01, offset_w=0.005)


def work(times: np.ndarray) -> np.ndarray:
    """3 W of idle and 2 W of work on top."""
    return np.where((times >= 11) & (times < 21), 5.0, 3.0)


def test_gross_net_and_idle_of_a_steady_load() -> None:
    energy = block_energy(trace(work, 32), GOOD, BEFORE, ACTIVE, AFTER)
    assert energy is not None
    assert energy.gross_j.value == pytest.approx(50.0)
    assert energy.net_j.value == pytest.approx(20.0)
    assert energy.idle_w.value == pytest.approx(3.0)
    assert 90 < energy.samples < 110


def test_the_offset_counts_in_gross_and_cancels_in_net() -> None:
    energy = block_energy(trace(work, 32), GOOD, BEFORE, ACTIVE, AFTER)
    assert energy is not None
    gross, net = (
        {t.name: t.u for t in f.uncertainty.terms} for f in (energy.gross_j, energy.net_j)
    )
    assert gross["offset"] == pytest.approx(0.005 * 10 / 3**0.5)
    assert "offset" not in net
    assert net["gain"] == pytest.approx(0.01 * 20 / 3**0.5)
    assert gross["gain"] == pytest.approx(0.01 * 50 / 3**0.5)


def test_idle_that_drifts_is_interpolated() -> None:
    drifting = trace(lambda t: work(t) + 0.01 * t, 32)
    energy = block_energy(drifting, GOOD, BEFORE, ACTIVE, AFTER)
    assert energy is not None
    assert energy.net_j.value == pytest.approx(20.0, abs=0.02)
    assert energy.idle_w.value == pytest.approx(3.16, abs=0.002)


def test_work_that_starts_at_the_edge_is_not_smeared_into_idle() -> None:
    """A trapezoid over the edge would lose a sixth of an interval's step at each end."""
    for seed in range(5):
        energy = block_energy(trace(work, 32, 0.3, seed=seed), GOOD, BEFORE, ACTIVE, AFTER)
        assert energy is not None
        assert energy.gross_j.value == pytest.approx(50.0, rel=1e-9)


def test_a_clock_error_within_its_bound_costs_nothing_of_a_steady_load() -> None:
    readings = trace(work, 32)
    shifted = sampled(readings.end_ns + 80_000_000, readings.watts)
    bound = block_energy(shifted, GOOD, BEFORE, ACTIVE, AFTER, clock_s=0.1)
    unknown = block_energy(shifted, GOOD, BEFORE, ACTIVE, AFTER)
    assert bound is not None and unknown is not None
    assert bound.net_j.value == pytest.approx(20.0)
    assert unknown.net_j.value != pytest.approx(20.0)


def test_a_counter_is_exact_between_its_readings() -> None:
    times = np.arange(-1000, 33_000, 97, dtype=np.int64) * (S // 1000) + at(0, 1)[0]
    seconds = (times - at(0, 1)[0]) / S
    joules = 3.0 * seconds + 2.0 * np.clip(seconds - 11, 0, 10)
    energy = block_energy(counted(times, joules), Accuracy(0.0, 0.0), BEFORE, ACTIVE, AFTER)
    assert energy is not None
    assert energy.net_j.value == pytest.approx(20.0)
    assert energy.net_j.uncertainty.expanded < 1e-3


def test_more_noise_and_fewer_readings_widen_the_interval() -> None:
    def half_width(**how: float) -> float:
        energy = block_energy(trace(work, 32, **how), Accuracy(0, 0), BEFORE, ACTIVE, AFTER)
        assert energy is not None
        return energy.net_j.uncertainty.expanded

    assert half_width(noise_w=0.2) > 3 * half_width(noise_w=0.02)
    assert half_width(noise_w=0.2, interval_s=0.4) > half_width(noise_w=0.2, interval_s=0.02)


@pytest.mark.parametrize("kept", [(0, 32), (0, 15), (12, 40), (-1, 25)])
def test_windows_that_are_not_spanned_give_no_figure(kept: tuple[float, float]) -> None:
    whole = trace(work, 32)
    low, high = at(*kept)
    inside = (whole.end_ns > low) & (whole.end_ns < high)
    part = sampled(whole.end_ns[inside], whole.watts[inside])
    assert block_energy(part, GOOD, BEFORE, ACTIVE, AFTER) is None


def test_a_wide_gap_in_a_window_gives_no_figure() -> None:
    whole = trace(work, 32)
    low, high = at(13, 17)
    kept = (whole.end_ns < low) | (whole.end_ns > high)
    gappy = sampled(whole.end_ns[kept], whole.watts[kept])
    assert block_energy(gappy, GOOD, BEFORE, ACTIVE, AFTER) is None


def test_nothing_gives_nothing() -> None:
    empty = sampled(np.array([], dtype=np.int64), np.array([]))
    assert block_energy(empty, GOOD, BEFORE, ACTIVE, AFTER) is None
