"""The trimmed centre: plain Student where pairs are few, robust where they are many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from pipeline.bench.trimmed import centre, gap_weights, mean

Noise = NDArray[np.float64]
SESSIONS = 4000
MOST = float(stats.binom.ppf(1 - 1e-3, SESSIONS, 0.05)) / SESSIONS


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=8))
def test_few_pairs_have_students_mean(values: list[float]) -> None:
    found = centre(np.array(values))
    assert found.mean == pytest.approx(np.mean(values))
    assert found.freedom == len(values) - 1
    assert found.error >= stats.sem(values) * (1 - 1e-9) - 1e-12


@given(st.integers(2, 300))
def test_weights_are_symmetric_and_spare_the_middle(count: int) -> None:
    gaps = gap_weights(count)
    assert np.array_equal(gaps, gaps[::-1])
    assert (np.diff(gaps[: count // 2]) >= 0).all()
    assert gaps[(count - 1) // 2] == 1
    assert (gaps > 0).sum() + 1 >= 0.6 * count


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40), st.floats(-5, 5), st.floats(0.1, 10))
def test_it_moves_and_scales_with_the_sample(values: list[float], by: float, times: float) -> None:
    plain, moved = centre(np.array(values)), centre(np.array(values) * times + by)
    assert moved.mean == pytest.approx(plain.mean * times + by, abs=1e-9)
    assert moved.error == pytest.approx(plain.error * times, abs=1e-6)


def test_wild_pairs_leave_the_mean_where_it_was() -> None:
    values = np.random.default_rng(0).normal(0, 0.01, 20)
    values[[3, 11]] = 3.0, 2.0
    assert abs(float(mean(values))) < 0.01
    assert float(centre(values).error) < 0.01


def normal(chance: np.random.Generator, processes: int) -> Noise:
    return chance.normal(0, 0.01, (SESSIONS, processes))


def student_2(chance: np.random.Generator, processes: int) -> Noise:
    return chance.standard_t(2, (SESSIONS, processes))


def two_levels(chance: np.random.Generator, processes: int) -> Noise:
    return normal(chance, processes) + 0.5 * (chance.random((SESSIONS, processes)) < 0.5)


def outliers(chance: np.random.Generator, processes: int) -> Noise:
    wild = chance.random((SESSIONS, processes)) < 0.1
    return normal(chance, processes) + wild * chance.exponential(1, (SESSIONS, processes))


def correlated(chance: np.random.Generator, processes: int) -> Noise:
    """First-order, 0.5 from process to process: where ABBA makes neighbouring pairs most alike."""
    noise = chance.normal(0, 1, (SESSIONS, processes))
    for number in range(1, processes):
        noise[:, number] += 0.5 * noise[:, number - 1]
    return noise


def step(chance: np.random.Generator, processes: int) -> Noise:
    at = chance.uniform(0, processes, (SESSIONS, 1))
    return normal(chance, processes) + 0.5 * (np.arange(processes) > at)


@pytest.mark.parametrize("pairs", [6, 10, 20, 60])
@pytest.mark.parametrize("noise", [normal, student_2, two_levels, outliers, correlated, step])
def test_the_error_rate_holds_whatever_the_noise(noise, pairs: int) -> None:  # type: ignore[no-untyped-def]
    """4,000 sessions of equal arms in mirrored blocks, without a band to catch small effects.

    More false alarms than 5 % and a chance of 1 in 1,000 explain is a failure.
    """
    chance = np.random.default_rng(pairs)
    levels = noise(chance, 2 * pairs).reshape(SESSIONS, pairs, 2)
    sign = np.repeat(chance.choice([-1, 1], (SESSIONS, pairs // 2)), 2, axis=1)
    mirror = np.where(np.arange(pairs) % 2, -1, 1)
    found = centre((levels[..., 1] - levels[..., 0]) * sign * mirror)
    assert np.mean(found.p_value() < 0.05) <= MOST
