"""A small run of `make benchmark-energy`: intervals hold the truth about as often as they say."""

from __future__ import annotations

import pytest

from tests.benchmarks.energy.power import SHAPES
from tests.benchmarks.energy.run import METERS, run


def test_intervals_hold_the_truth_about_as_often_as_stated() -> None:
    """84 scenes, every shape on every meter twice; the benchmark itself has a thousand."""
    found = [outcome for seed in range(2 * len(SHAPES) * len(METERS)) for outcome in run(seed)]
    for figure in ("gross", "net"):
        given = [o for o in found if o.figure == figure and o.value is not None]
        assert len(given) >= 82
        assert sum(o.covers for o in given) / len(given) >= 0.87


@pytest.mark.parametrize("seed", [0, 7])
def test_a_run_is_its_seed(seed: int) -> None:
    assert run(seed) == run(seed)
