"""How tools decide, each in the order in which it runs its processes.

A rule takes a world and the true effect of the second arm, and says for every session whether it
found the second one faster (-1), slower (1) or neither (0).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from pipeline.bench.holm import holm_levels
from pipeline.bench.plan import session_order, session_pairs
from pipeline.bench.quantiles import CONFIDENCE
from pipeline.bench.records import Verdict
from pipeline.bench.steady import classify_all
from pipeline.bench.trimmed import centre
from pipeline.bench.verdict import BAND
from tests.benchmarks.verdicts.worlds import Floats, World

ALPHA = 0.05
SIGNS = {Verdict.FASTER: -1, Verdict.SLOWER: 1}


@dataclass(frozen=True)
class Ours:
    """Steady log-medians of every slot, and the order our plan gives each session."""

    medians: Floats
    orders: NDArray[np.intp]

    def intervals(self, effect: float) -> tuple[Floats, Floats]:
        """Ends of every session's interval of the log-ratio, of two arms."""
        found = centre(self.logs(1) + effect)
        half = found.half_width(CONFIDENCE)
        return found.mean - half, found.mean + half

    def alarms(self, arms: int, *, corrected: bool) -> NDArray[np.bool_]:
        """Sessions in which any arm is called FASTER or SLOWER than the first."""
        centres = [centre(self.logs(arm)) for arm in range(1, arms)]
        p_values = np.stack([found.p_value() for found in centres], axis=1)
        levels = np.full_like(p_values, ALPHA)
        if corrected:
            levels = np.array([holm_levels(each.tolist(), ALPHA) for each in p_values])
        any_ = np.zeros(len(p_values), bool)
        for found, level in zip(centres, levels.T, strict=True):
            half = np.asarray(stats.t.ppf(1 - level / 2, found.freedom) * found.error)
            any_ |= np.isin(verdicts(found.mean - half, found.mean + half), list(SIGNS))
        return any_

    def logs(self, arm: int) -> Floats:
        """Log-ratios of an arm to the first, (sessions, pairs)."""
        ratios = []
        for slots, order in zip(self.medians, self.orders, strict=True):
            first, second = zip(*session_pairs(order.tolist(), 0, arm), strict=True)
            ratios.append(slots[list(second)] - slots[list(first)])
        return np.array(ratios)


def ours(world: World, seed: int, arms: int = 2) -> Ours:
    """The whole rule: our order, steady state by process, medians. An effect changes no class."""
    sessions, slots, _ = world.inside.shape
    samples = np.exp(world.inside + world.layout[..., None])
    medians = np.empty((sessions, slots))
    for number, session in enumerate(classify_all(samples)):
        for slot, steady in enumerate(session):
            medians[number, slot] = np.median(samples[number, slot, steady.start :])
    orders = [session_order(arms, slots // arms, seed + number) for number in range(sessions)]
    return Ours(np.log(medians), np.array(orders))


def verdicts(low: Floats, high: Floats) -> NDArray[np.object_]:
    """As `pipeline.bench.verdict.judge` says it, for many."""
    inside = (low >= -BAND) & (high <= BAND)
    return np.select(
        [inside, high < 0, low > 0],
        [Verdict.EQUIVALENT, Verdict.FASTER, Verdict.SLOWER],
        Verdict.UNDECIDED,
    )


def pyperf(world: World, effect: float, chance: np.random.Generator) -> Floats:
    """A..A then B..B; three values a process, a fourth is its warm-up; pooled Student's t.

    pyperf 2.x, `_utils.is_significant`: all values of all processes count as independent.
    """
    first, second = _blocks(world, effect)
    quarters = [
        np.stack([part.mean(axis=-1) for part in np.array_split(arm, 4, axis=-1)[1:]], axis=-1)
        for arm in (first, second)
    ]
    a, b = (values.reshape(len(values), -1) for values in quarters)
    return _signed(b, a, stats.ttest_ind(b, a, axis=1).pvalue)


def hyperfine(world: World, effect: float, chance: np.random.Generator) -> Floats:
    """A..A then B..B; a run's time is its total; Welch's t (scripts/welch_ttest.py)."""
    a, b = (arm.mean(axis=-1) for arm in _blocks(world, effect))
    return _signed(b, a, stats.ttest_ind(b, a, axis=1, equal_var=False).pvalue)


def google_benchmark(world: World, effect: float, chance: np.random.Generator) -> Floats:
    """Repetitions in random order, one a process here; Mann-Whitney's U (tools/compare.py)."""
    sessions, slots, _ = world.inside.shape
    medians = np.median(np.exp(world.inside + world.layout[..., None]), axis=-1)
    order = chance.permuted(np.tile(np.arange(slots), (sessions, 1)), axis=1)
    a, b = (np.take_along_axis(medians, half, axis=1) for half in np.array_split(order, 2, axis=1))
    b = b * np.exp(effect)
    return _signed(b, a, stats.mannwhitneyu(b, a, axis=1).pvalue)


def one_process(world: World, effect: float, chance: np.random.Generator) -> Floats:
    """One long process an arm; Mann-Whitney's U on iterations, as if they were independent."""
    sessions, slots, _ = world.inside.shape
    half = slots // 2
    a = np.exp(world.inside[:, :half] + world.layout[:, :1, None]).reshape(sessions, -1)
    b = np.exp(world.inside[:, half:] + world.layout[:, half : half + 1, None] + effect)
    b = b.reshape(sessions, -1)
    return _signed(b, a, stats.mannwhitneyu(b, a, axis=1, method="asymptotic").pvalue)


def _blocks(world: World, effect: float) -> tuple[Floats, Floats]:
    half = world.layout.shape[1] // 2
    times = np.exp(world.inside + world.layout[..., None])
    return times[:, :half], times[:, half:] * np.exp(effect)


def _signed(b: Floats, a: Floats, p_values: Floats) -> Floats:
    direction = np.sign(np.median(b, axis=1) - np.median(a, axis=1))
    return np.where(p_values < ALPHA, direction, 0)


Rule = Callable[[World, float, np.random.Generator], Floats]
RIVALS: dict[str, Rule] = {
    "pyperf": pyperf,
    "hyperfine": hyperfine,
    "Google Benchmark": google_benchmark,
    "one process": one_process,
}
