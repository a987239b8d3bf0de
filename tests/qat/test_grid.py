"""A grid holds zero, stays within int8, and starts from the range that costs least."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.qat.calibrate import best_range
from pipeline.qat.grid import HIGH, LOW, Grid
from pipeline.qat.kernels.contraction import Weights

finite = st.floats(-1e4, 1e4, allow_nan=False, width=32)


@settings(deadline=None)
@given(finite, finite, st.lists(finite, min_size=1, max_size=20))
def test_every_value_lands_on_int8_and_zero_on_itself(
    low: float, high: float, values: list[float]
) -> None:
    grid = Grid()
    grid.set_range(min(low, high), max(low, high))
    q = grid.steps(torch.tensor(values)) + grid.zero_point
    assert q.min() >= LOW
    assert q.max() <= HIGH
    assert torch.equal(q, q.round())
    assert grid.real(grid.steps(torch.zeros(1))).item() == 0


@settings(deadline=None)
@given(st.floats(0.125, 1e3, width=32))
def test_what_is_never_negative_uses_all_steps(high: float) -> None:
    grid = Grid()
    grid.set_range(0.0, high)
    assert grid.zero_point == LOW
    assert grid.steps(torch.tensor(high)) == HIGH - LOW


def test_a_fixed_grid_is_not_calibrated_nor_trained() -> None:
    grid = Grid(fixed=(1 / 256, -128))
    grid.set_range(-5, 5)
    assert grid.scale() == 1 / 256
    assert not grid.growth.requires_grad


def test_scale_learns_through_clipped_values() -> None:
    grid = Grid()
    grid.set_range(-1.0, 1.0)
    optimizer = torch.optim.Adam(grid.parameters(), 1.0)
    values = torch.linspace(-3, 3, 500)
    for _ in range(600):
        loss = (grid.real(grid.steps(values)) - values).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert grid.scale().item() * 127 == pytest.approx(3, rel=0.1)


def test_clipping_a_lone_outlier_pays_and_clipping_a_uniform_range_does_not() -> None:
    values = torch.from_numpy(np.random.default_rng(0).standard_normal(200_000).astype("f4"))
    assert best_range(torch.cat([values, torch.tensor([12.0])]))[1] < 11
    low, high = best_range(values.clamp(-1, 1))
    assert high - low > 1.9


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 2**31))
def test_weights_start_on_their_grid_with_the_largest_at_127(
    channels: int, size: int, seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    spread = 10.0 ** torch.randint(-3, 3, (channels, 1), generator=draw)
    weights = Weights(torch.randn(channels, size, generator=draw) * spread, torch.zeros(channels))
    steps, _, scales = weights.integers(torch.tensor(0.1))
    largest = weights.real()[0].abs().amax(1)
    assert torch.equal(steps.abs().amax(1), torch.full((channels,), 127.0))
    assert torch.equal(scales, largest / 127)


def test_a_channel_of_zeros_or_of_tiny_weights_keeps_its_bias() -> None:
    weight = torch.tensor([[0.0, 0.0], [1e-14, 0.0], [0.5, -0.25]])
    bias = torch.tensor([0.3, 0.7, -0.2])
    weights, scale = Weights(weight, bias), torch.tensor(0.01)
    _, steps, scales = weights.integers(scale)
    assert steps.abs().max() < 2**31
    assert torch.allclose(steps * scale * scales, bias, rtol=1e-3)
