"""How many pairs would settle what a session left open."""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy import stats

from pipeline.bench.trimmed import Centre, freedom

POWER = 0.8
MOST_PAIRS = 100_000
_TINY = 1e-12


def pairs_needed(found: Centre, pairs: int, band: float, confidence: float) -> int:
    """Pairs of a new session that settles it with 80 % power, if spread and effect are as seen.

    Settled means an interval without a ratio of 1, or one inside the band: whichever comes first.
    At least one more than there were; never over 100,000, which stands for out of reach.
    """
    effect = abs(float(found.mean))
    spread = float(found.error) * math.sqrt(pairs)

    def settles(count: int) -> bool:
        left, error = freedom(count), max(spread, _TINY) / math.sqrt(count)
        sure = stats.t.ppf((1 + confidence) / 2, left)
        ends = (effect / error, (band - effect) / error, (band + effect) / error)
        off_one, below, above = (stats.t.cdf(end - sure, left) for end in ends)
        return bool(max(off_one, below - (1 - above)) >= POWER)

    return _smallest(settles, pairs + 1)


def _smallest(settles: Callable[[int], bool], least: int) -> int:
    """The first count from `least` on that settles; by doubling, then halving."""
    high = least
    while high < MOST_PAIRS and not settles(high):
        least, high = high + 1, min(2 * high, MOST_PAIRS)
    while least < high:
        middle = (least + high) // 2
        least, high = (least, middle) if settles(middle) else (middle + 1, high)
    return high
