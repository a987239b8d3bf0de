"""Warm-up is found, noise is not taken for it, and only warm-up leaves samples out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.bench.records import Steadiness
from pipeline.bench.steady import FEWEST, Steady, classify, classify_all

PROCESSES, SAMPLES = 200, 200
TIME = np.arange(SAMPLES) / SAMPLES
Logs = NDArray[np.float64]


def noise(sd: float = 0.01) -> Logs:
    return np.random.default_rng(4).normal(0, sd, (PROCESSES, SAMPLES))


def correlated(rho: float) -> Logs:
    out = noise()
    for number in range(1, SAMPLES):
        out[:, number] += rho * out[:, number - 1]
    return out


def spikes(share: float, height: float) -> Logs:
    chance = np.random.default_rng(5)
    hit = chance.random((PROCESSES, SAMPLES)) < share
    return noise() + hit * chance.exponential(height, (PROCESSES, SAMPLES))


def classes(logs: Logs) -> Counter[Steadiness]:
    sessions = np.exp(logs).reshape(-1, 20, logs.shape[1])
    return Counter(s.steadiness for session in classify_all(sessions) for s in session)


@pytest.mark.parametrize(
    "logs",
    [
        noise(), correlated(0.8), correlated(0.95), spikes(0.05, 0.5),
        np.random.default_rng(6).standard_t(2, (PROCESSES, SAMPLES)) * 0.005,
        np.zeros((PROCESSES, SAMPLES)), noise(1e-6),
    ],
    ids=["white", "ar 0.8", "ar 0.95", "spikes", "student 2", "constant", "counts"],
)  # fmt: skip
def test_noise_is_flat(logs: Logs) -> None:
    assert classes(logs)[Steadiness.FLAT] >= 0.95 * PROCESSES


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (0.05 * (TIME < 0.3), Steadiness.WARM_UP),
        (0.3 * np.exp(-10 * TIME), Steadiness.WARM_UP),
        (0.3 * (TIME > 0.5), Steadiness.SLOWDOWN),
        (0.3 * (TIME > 0.85), Steadiness.NOT_STEADY),
        (-0.3 * (TIME > 0.85), Steadiness.NOT_STEADY),
        (0.3 * ((TIME > 0.4) & (TIME < 0.6)), Steadiness.NOT_STEADY),
        (0.3 * (TIME < 0.2) + 0.2 * ((TIME > 0.5) & (TIME < 0.7)), Steadiness.WARM_UP),
        (0.004 * (TIME > 0.5), Steadiness.FLAT),
    ],
)
def test_changes_of_level_have_their_names(shape: Logs, expected: Steadiness) -> None:
    assert classes(noise() + shape)[expected] >= 0.95 * PROCESSES


def test_what_counts_begins_where_the_warm_up_ends() -> None:
    logs = noise() + 0.2 * (TIME < 0.3)
    starts = [steady.start for steady in classify(np.exp(logs[:20]).tolist())]
    assert all(abs(start - 0.3 * SAMPLES) <= 0.05 * SAMPLES for start in starts)


@pytest.mark.parametrize("shape", [0.3 * (TIME > 0.5), 0.3 * (TIME > 0.85), 0 * TIME])
def test_nothing_but_warm_up_leaves_samples_out(shape: Logs) -> None:
    for steady in classify(np.exp(noise()[:20] + shape).tolist()):
        assert steady.start == 0 or steady.steadiness is Steadiness.WARM_UP


def test_few_samples_tell_nothing() -> None:
    found = classify([[1.0] * (FEWEST - 1), [1.0] * FEWEST, []])
    assert [s.steadiness for s in found] == [
        Steadiness.TOO_SHORT, Steadiness.FLAT, Steadiness.TOO_SHORT
    ]  # fmt: skip
    assert classify([]) == []


@given(st.lists(st.lists(st.integers(1, 10**12), max_size=80), max_size=4), st.integers(1, 1000))
def test_the_unit_does_not_matter_and_the_end_always_counts(
    processes: list[list[int]], unit: int
) -> None:
    found = classify(processes)
    assert [s.steadiness for s in found] == [
        s.steadiness for s in classify([[v * unit for v in p] for p in processes])
    ]
    for steady, samples in zip(found, processes, strict=True):
        assert steady.start <= 0.75 * len(samples)


def test_many_sessions_at_once_are_classified_as_one_by_one() -> None:
    sessions = np.exp(noise()[:60] + 0.05 * (TIME < 0.3)).reshape(3, 20, SAMPLES)
    one: list[list[Steady]] = [classify(session.tolist()) for session in sessions]
    assert classify_all(sessions) == one
