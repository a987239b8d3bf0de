"""The rule that decides: its false alarms, its power, and its symmetries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from pipeline.bench.bootstrap import bca
from pipeline.bench.plan import session_order, session_pairs
from pipeline.bench.records import Verdict
from pipeline.bench.trimmed import centre, mean
from pipeline.bench.verdict import BAND, decide, decide_all, judge

MIRROR = {Verdict.FASTER: Verdict.SLOWER, Verdict.SLOWER: Verdict.FASTER}
DECIDED = (Verdict.FASTER, Verdict.SLOWER)
SKEWED = float(mean(np.random.default_rng(0).exponential(1, 200_000)))

pairs = st.lists(st.tuples(st.floats(0.5, 2.0), st.floats(0.5, 2.0)), min_size=2, max_size=20)


def drift(kind: str, count: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """Log-slowdown of each process of a session."""
    time = np.arange(count) / count
    if kind == "warm-up":
        return 0.02 * (1 - np.exp(-3 * time))
    if kind == "step":
        return 0.03 * (time > chance.uniform(0.1, 0.9))
    return np.zeros(count)


def simulated(seed: int, kind: str, effect: float, count: int) -> Verdict:
    """Verdict on one simulated session: processes differ by 0.8 %, with outliers, and drift."""
    chance = np.random.default_rng(seed)
    order = session_order(2, count, seed)
    logs = drift(kind, len(order), chance) + chance.normal(0, 0.008, len(order))
    logs += (chance.random(len(order)) < 0.02) * chance.exponential(0.03, len(order))
    logs += effect * np.array(order)
    medians = np.exp(logs) * 1e6
    both = session_pairs(order, 0, 1)
    first, second = (medians[list(side)].tolist() for side in zip(*both, strict=True))
    return decide(first, second, resamples=0).verdict


@pytest.mark.parametrize("kind", ["none", "warm-up", "step"])
def test_false_alarms_on_equal_arms_stay_at_their_rate(kind: str) -> None:
    """400 A/A sessions: more false verdicts than 5 % explains (1 in 10,000) is a failure."""
    false = sum(simulated(seed, kind, 0.0, 10) in DECIDED for seed in range(400))
    assert false <= stats.binom.ppf(1 - 1e-4, 400, 0.05)


@pytest.mark.parametrize("kind", ["none", "warm-up", "step"])
def test_two_percent_are_found_with_twenty_pairs(kind: str) -> None:
    found = [simulated(seed, kind, math.log(1.02), 20) for seed in range(200)]
    assert found.count(Verdict.FASTER) == 0
    assert found.count(Verdict.SLOWER) >= 190


@given(pairs, st.floats(1e-3, 1e9))
def test_the_unit_does_not_matter(values: list[tuple[float, float]], scale: float) -> None:
    first, second = zip(*values, strict=True)
    plain = decide(first, second)
    scaled = decide([v * scale for v in first], [v * scale for v in second])
    assert scaled.ratio == pytest.approx(plain.ratio)
    assert scaled.interval == pytest.approx(plain.interval)


@given(pairs)
def test_exchanging_the_arms_mirrors_the_outcome(values: list[tuple[float, float]]) -> None:
    first, second = zip(*values, strict=True)
    there, back = decide(first, second), decide(second, first)
    assert there.ratio * back.ratio == pytest.approx(1)
    assert there.interval is not None and back.interval is not None
    assert there.interval[0] * back.interval[1] == pytest.approx(1)
    assert back.verdict is MIRROR.get(there.verdict, there.verdict)
    assert back.pairs_needed == there.pairs_needed


def test_an_interval_inside_the_band_is_equivalent_although_it_excludes_one() -> None:
    medians = [1.004, 1.0041, 1.0039, 1.0042]
    found = decide([1.0] * 4, medians)
    assert found.interval is not None and found.interval[0] > 1
    assert found.verdict is Verdict.EQUIVALENT
    assert decide([1.0] * 4, medians, band=0.0).verdict is Verdict.SLOWER


@pytest.mark.parametrize("count", [1, 2])
def test_fewer_than_three_pairs_decide_nothing(count: int) -> None:
    found = decide([1.0] * count, [9.0] * count)
    assert found.verdict is Verdict.UNDECIDED
    assert found.ratio == pytest.approx(9)
    assert found.bootstrap is None
    assert (found.interval is None) == (count == 1)


@pytest.mark.parametrize("effect", [0.0, 0.02])
def test_undecided_says_how_many_pairs_it_takes_and_they_do(effect: float) -> None:
    """Of 300 sessions with so many pairs, and this spread, about 80 % have a verdict."""
    chance = np.random.default_rng(5)
    shape = chance.normal(0, 1, 20)
    shape -= mean(shape)
    found = decide([1.0] * 20, np.exp(effect + 0.05 * shape).tolist())
    assert found.verdict is Verdict.UNDECIDED
    assert found.pairs_needed is not None and found.pairs_needed > 20
    spread = float(centre(0.05 * shape).error / centre(shape).error)
    more = centre(chance.normal(effect, spread * _alike(shape), (300, found.pairs_needed)))
    half = more.half_width(0.95)
    settled = (np.abs(more.mean) > half) | (np.abs(more.mean) + half < BAND)
    assert 0.65 <= settled.mean() <= 0.95


def _alike(shape: NDArray[np.float64]) -> float:
    """Standard deviation of normal pairs whose mean is known as well as this sample's is."""
    normal = centre(np.random.default_rng(0).normal(0, 1, (500, len(shape))))
    return float(centre(shape).error / np.median(normal.error))


def test_only_undecided_asks_for_more_pairs() -> None:
    assert decide([1.0, 1.1, 0.9], [2.0, 2.1, 1.9]).pairs_needed is None


def test_equal_medians_are_equivalent() -> None:
    found = decide([5.0] * 5, [5.0] * 5)
    assert (found.verdict, found.ratio, found.bootstrap) == (Verdict.EQUIVALENT, 1.0, None)


def test_the_bootstrap_covers_the_trimmed_mean_of_a_skewed_sample() -> None:
    chance, hits = np.random.default_rng(3), 0
    for _ in range(100):
        interval = bca(chance.exponential(1, 25), 499, 0.95)
        assert interval is not None
        hits += interval[0] <= SKEWED <= interval[1]
    assert hits >= 85


@pytest.mark.parametrize(
    "medians",
    [([], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([math.nan], [1.0]), ([math.inf], [1.0])],
)
def test_what_is_no_pair_of_medians_is_a_bug(medians: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match="positive medians"):
        decide(*medians)


def test_without_spread_the_interval_is_a_point() -> None:
    found = decide([5.0] * 4, [5.1] * 4)
    assert found.verdict is Verdict.SLOWER
    assert found.interval == pytest.approx((1.02, 1.02))


def test_pairs_of_nonsense_have_figures_all_the_same() -> None:
    found = decide([5e-324, 1e308, 1.0], [1e308, 5e-324, 1.0])
    assert found.verdict is Verdict.UNDECIDED
    assert found.interval is not None and all(map(math.isfinite, (found.ratio, *found.interval)))


@pytest.mark.parametrize("pairs", [10, 20])
def test_one_throttled_process_does_not_hide_an_effect(pairs: int) -> None:
    logs = 0.02 + np.random.default_rng(1).normal(0, 0.008, pairs)
    logs[pairs // 2] += 0.5
    found = decide([1.0] * pairs, np.exp(logs).tolist())
    assert found.verdict is Verdict.SLOWER
    assert found.ratio == pytest.approx(1.02, abs=0.008)


def test_several_candidates_share_one_error_rate() -> None:
    """A/A/A/A: in at most 5 % of the sessions any of three arms is called FASTER or SLOWER."""
    chance, alarms = np.random.default_rng(8), 0
    for _ in range(400):
        base, *others = np.exp(chance.normal(0, 0.02, (4, 10)))
        found = decide_all([(base, other) for other in others], resamples=0)
        alarms += any(decision.verdict in DECIDED for decision in found)
    assert alarms <= stats.binom.ppf(1 - 1e-4, 400, 0.05)


def test_the_surest_of_three_arms_faces_the_strictest_level() -> None:
    chance = np.random.default_rng(2)
    sides = [([1.0] * 10, np.exp(chance.normal(m, 0.01, 10))) for m in (0.0, 0.1, 0.0)]
    found = decide_all(sides, resamples=0)
    assert found[1].verdict is Verdict.SLOWER
    assert found[1].confidence == pytest.approx(1 - 0.05 / 3)
    assert [found[0].confidence, found[2].confidence] == pytest.approx([0.975, 0.975])
    assert decide(*sides[0], resamples=0).confidence == pytest.approx(0.95)


@given(st.floats(-0.1, 0.1), st.floats(0, 0.1))
def test_the_verdict_is_the_intervals(middle: float, half: float) -> None:
    low, high = middle - half, middle + half
    verdict = judge((low, high))
    assert (verdict is Verdict.EQUIVALENT) == (low >= -BAND and high <= BAND)
    assert verdict is not Verdict.FASTER or high < 0
    assert verdict is not Verdict.SLOWER or low > 0
    assert (verdict is not Verdict.UNDECIDED) or low <= 0 <= high
