"""A ratio or a difference of two figures that have intervals of their own.

MOVER: the distances from each value to the ends of its interval add in squares (Zou & Donner,
Statistics in Medicine 2008). Figures of one session go up and down together, which makes these
intervals too wide rather than too narrow.
"""

from __future__ import annotations

import math

from pipeline.bench.records import Interval, Row


def difference(first: Row, second: Row) -> Interval | None:
    """Interval of second - first; None where either has none."""
    if first.interval is None or second.interval is None:
        return None
    return _mover((first.value, *first.interval), (second.value, *second.interval))


def ratio(first: Row, second: Row) -> Interval | None:
    """Interval of second / first; None where either has none, or one that reaches 0."""
    if first.interval is None or second.interval is None:
        return None
    both = (first.value, *first.interval), (second.value, *second.interval)
    if min(min(each) for each in both) <= 0:
        return None
    logs = [(math.log(v), math.log(low), math.log(high)) for v, low, high in both]
    low, high = _mover(*logs)
    return math.exp(low), math.exp(high)


def _mover(first: tuple[float, float, float], second: tuple[float, float, float]) -> Interval:
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    middle = b - a
    return middle - math.hypot(b - b_low, a_high - a), middle + math.hypot(b_high - b, a - a_low)
