"""The level of each of several comparisons, so that all of them together keep one error rate."""

from __future__ import annotations

from collections.abc import Sequence


def holm_levels(p_values: Sequence[float], error_rate: float) -> list[float]:
    """The error rate at which each comparison is decided (Holm, Scand. J. Statistics 1979).

    The smallest p-value faces `error_rate` / k, the next one / (k - 1), and so on up to the first
    that fails; it and all after it are decided at its level. The chance of any false FASTER or
    SLOWER among all k is then at most `error_rate`, however they depend on each other.
    """
    levels = [error_rate] * len(p_values)
    left, level, failed = len(p_values), error_rate, False
    for number in sorted(range(len(p_values)), key=lambda number: p_values[number]):
        if not failed:
            level = error_rate / left
            failed = p_values[number] > level
        levels[number] = level
        left -= 1
    return levels
