"""Intervals of accuracy and of any other metric."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.bench.proportion import exact_interval, resampled_interval


@given(st.integers(1, 500), st.data())
def test_the_exact_interval_is_the_inverted_binomial_test(count: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, count))
    interval = exact_interval(hits / count, count)
    expected = stats.binomtest(hits, count).proportion_ci(method="exact")
    assert interval == pytest.approx((expected.low, expected.high))


def test_no_samples_no_interval() -> None:
    assert exact_interval(0.5, 0) is None
    assert resampled_interval(lambda o, t: 1.0, np.zeros((1, 2)), np.zeros(1)) is None


def test_any_metric_is_resampled_over_samples() -> None:
    chance = np.random.default_rng(0)
    targets = chance.normal(size=400)
    outputs = (targets + chance.normal(0, 1, 400)).astype(np.float32)
    interval = resampled_interval(lambda o, t: float(np.mean((o - t) ** 2)), outputs, targets)
    assert interval is not None
    assert 0.7 < interval[0] < 1.0 < interval[1] < 1.3


def test_a_metric_that_is_undefined_on_a_resample_has_no_interval() -> None:
    metric = lambda o, t: float("nan") if t.min() > 0 else 1.0  # noqa: E731
    assert resampled_interval(metric, np.zeros(3), np.array([0, 1, 2])) is None
