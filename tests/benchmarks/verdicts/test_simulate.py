"""The benchmark itself: our rule's fast path is the command's, and drift fools whom it should."""

from __future__ import annotations

import numpy as np
import pytest

from tests.benchmarks.verdicts.simulate import ITERATIONS, matrix, simulate
from tests.benchmarks.verdicts.table import by_arms, by_world, missed
from tests.benchmarks.verdicts.worlds import WORLDS, Maker, throttle


@pytest.mark.parametrize("maker", WORLDS)
def test_every_world_is_finite_and_random_from_session_to_session(maker: Maker) -> None:
    world = maker(np.random.default_rng(0), 20, 8, ITERATIONS)
    assert (world.inside.shape, world.layout.shape) == ((20, 8, ITERATIONS), (20, 8))
    logs = world.inside + world.layout[..., None]
    assert np.isfinite(logs).all()
    assert len(np.unique(logs.mean(axis=(1, 2)))) == 20


def test_a_throttled_session_fools_blocks_and_not_pairs() -> None:
    line = simulate(throttle, 100, 20, seed=3)
    assert line.false["pyperf"] > 0.5
    assert line.false["Secateur"] < 0.15
    assert line.found["Secateur"] > 0.9
    assert not missed([line], {"false": 0.15, "found": 0.9})
    assert missed([line], {"false": -1, "found": 2}) != []
    assert by_world([line]).count("\n") == 3


def test_holms_correction_lowers_the_alarms_of_a_matrix() -> None:
    corrected, plain = matrix(throttle, 100, 10, seed=3)
    assert corrected <= plain
    assert "with Holm" in by_arms([(corrected, plain)])
