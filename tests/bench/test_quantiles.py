"""Intervals of quantiles cover what they say they cover."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.bench.quantiles import effective_count, median_interval, order_ranks, tail

latencies = st.lists(st.floats(1e3, 1e9), min_size=6, max_size=60)


@pytest.mark.parametrize(("q", "least"), [(0.5, 6), (0.9, 36), (0.99, 368)])
def test_the_smallest_sample_that_has_an_interval(q: float, least: int) -> None:
    assert order_ranks(least - 1, q) is None
    assert order_ranks(least, q) is not None


@given(st.integers(6, 400), st.sampled_from([0.5, 0.9, 0.99]))
def test_ranks_cover_exactly_at_least_95_percent(count: int, q: float) -> None:
    ranks = order_ranks(count, q)
    if ranks is None:
        return
    low, high = ranks
    covered = stats.binom.cdf(high - 1, count, q) - stats.binom.cdf(low - 1, count, q)
    assert covered >= 0.95


@given(latencies)
def test_the_interval_holds_the_median_and_comes_from_the_sample(values: list[float]) -> None:
    interval = median_interval(values)
    assert interval is not None
    assert interval[0] <= np.median(values) <= interval[1]
    assert set(interval) <= set(values)


def test_five_values_have_no_interval() -> None:
    assert median_interval([1.0, 2.0, 3.0, 4.0, 5.0]) is None
    assert median_interval([]) is None


def test_tail_of_one_process_has_a_value_but_no_interval() -> None:
    value, interval = tail([list(range(1000))], 0.9)
    assert value == pytest.approx(899.1)
    assert interval is None


def test_alike_processes_count_in_full_and_unlike_ones_hardly() -> None:
    alike = [list(range(100)) for _ in range(10)]
    unlike = [[float(n)] * 100 for n in range(10)]
    assert effective_count(alike, 89.0, 0.9) == 1000
    assert effective_count(unlike, 8.0, 0.9) <= 10


@pytest.mark.parametrize("q", [0.9, 0.99])
@pytest.mark.parametrize("between", [0.0, 0.3, 1.0])
def test_tail_intervals_are_seldom_wrong_where_processes_differ(q: float, between: float) -> None:
    """200 sessions of 20 processes: at most 5 % may state an interval without the true quantile.

    More than chance allows (binomial, 1 in 10,000) is a failure. `between` is the spread between
    processes over that within one.
    """
    chance, wrong, stated = np.random.default_rng(11), 0, 0
    truth = float(stats.norm.ppf(q) * np.hypot(1, between))
    for _ in range(200):
        shift = chance.normal(0, between, (20, 1))
        _, interval = tail((shift + chance.normal(0, 1, (20, 100))).tolist(), q)
        if interval is not None:
            stated += 1
            wrong += not interval[0] <= truth <= interval[1]
    assert wrong <= stats.binom.ppf(1 - 1e-4, 200, 0.05)
    assert between == 1.0 or stated == 200
