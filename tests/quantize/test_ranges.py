"""From a histogram to an int8 range: what every method promises, and what each is for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.quantize.ranges import BINS, LEVELS, METHODS, Histogram, minmax, mse, percentile

RNG = np.random.default_rng(0)


def seen(values: np.ndarray) -> Histogram:
    low, high = float(values.min()), float(values.max())
    place = ((values - low) * (BINS / max(high - low, 1e-30))).astype(int).clip(0, BINS - 1)
    return Histogram(low, high, low, high, np.bincount(place, minlength=BINS).astype(float))


def error(values: np.ndarray, given_range: tuple[float, float]) -> float:
    low, high = given_range
    step = (high - low) / LEVELS or 1.0
    return float(np.mean((np.clip(np.round(values / step) * step, low, high) - values) ** 2))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(METHODS)),
    st.lists(st.floats(-1e6, 1e6, allow_nan=False, width=32), min_size=1, max_size=200),
)
def test_a_range_holds_zero_and_stays_within_what_was_seen(name: str, values: list[float]) -> None:
    array = np.array(values)
    low, high = METHODS[name](seen(array))
    assert low <= 0 <= high
    assert low >= min(array.min(), 0) - 1e-6
    assert high <= max(array.max(), 0) + 1e-6


def test_minmax_clips_nothing() -> None:
    values = RNG.standard_normal(10_000)
    assert minmax(seen(values)) == (values.min(), values.max())
    assert minmax(seen(np.abs(values)))[0] == 0


def test_percentile_leaves_an_outlier_out() -> None:
    values = np.append(RNG.standard_normal(1_000_000), 40.0)
    assert max(map(abs, percentile(seen(values)))) < 6


@pytest.mark.parametrize("tail", [6.0, 12.0, 40.0])
def test_no_method_has_less_squared_error_than_mse(tail: float) -> None:
    values = np.append(RNG.laplace(size=50_000), [tail, -tail / 2])
    errors = {name: error(values, method(seen(values))) for name, method in METHODS.items()}
    assert errors["mse"] <= 1.02 * min(errors.values())


def test_mse_keeps_the_whole_range_where_clipping_would_cost() -> None:
    values = RNG.uniform(-1, 1, 50_000)
    assert mse(seen(values)) == pytest.approx(minmax(seen(values)), rel=0.1)


def test_halves_add_up_to_the_whole() -> None:
    values = RNG.standard_normal(1000)
    edges = float(values.min()), float(values.max())
    parts = [
        Histogram(
            float(part.min()), float(part.max()), *edges,
            np.histogram(part, BINS, edges)[0].astype(float),
        )
        for part in (values[:300], values[300:])
    ]  # fmt: skip
    whole = parts[0] + parts[1]
    assert (whole.low, whole.high) == edges
    assert np.array_equal(whole.counts, np.histogram(values, BINS, edges)[0])


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_constant_tensor_has_a_range(name: str) -> None:
    for value in (0.0, 3.0, -2.0):
        low, high = METHODS[name](seen(np.full(10, value)))
        assert np.isfinite([low, high]).all()
        assert low <= min(value, 0) + 1e-6 and high >= max(value, 0) - 1e-6


@pytest.mark.parametrize("name", sorted(METHODS))
def test_what_lies_outside_of_what_matters_sets_no_range(name: str) -> None:
    values = RNG.standard_normal(10_000) * 5
    low, high = METHODS[name](seen(values).within(-3.0, np.inf))
    assert low == pytest.approx(-3.0, rel=0.1)
    assert high > 3
    assert METHODS[name](seen(values - 100).within(-3.0, np.inf)) == (-3.0, 0.0)
