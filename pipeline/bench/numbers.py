"""Figures as text, in the units people read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.bench.records import Comparison, Row, Verdict

_PLACES = {"fraction": 1, "KiB": 1}
MILLION = 1_000_000
_SHOWN = {"ns": ("ms", 1e-6), "KiB": ("MiB", 1 / 1024), "bytes": ("KiB", 1 / 1024),
          "fraction": ("%", 100.0), "instructions": ("M instructions", 1e-6)}  # fmt: skip
_SMALL = {"ns": ("µs", 1e-3), "instructions": ("k instructions", 1e-3)}
_COUNTED = {Verdict.FASTER: "FEWER", Verdict.SLOWER: "MORE"}


@dataclass(frozen=True)
class Shown:
    """The unit that a column is shown in, and the factor that takes its rows there."""

    unit: str
    factor: float


def shown(rows: Iterable[Row]) -> Shown:
    """One unit for all of a column: the smaller one where every figure is below a million."""
    found = list(rows)
    unit = found[0].unit
    if unit in _SMALL and max(row.value for row in found) < MILLION:
        return Shown(*_SMALL[unit])
    return Shown(*_SHOWN.get(unit, (unit, 1.0)))


def figure(row: Row | None, factor: float) -> str:
    """Value, and its interval on a second line; a dash for what was not measured."""
    if row is None:
        return "-"
    places = _PLACES.get(row.unit, _places(row.value * factor))
    value = f"{row.value * factor:.{2 if row.unit == 'fraction' else places}f}"
    if row.interval is None:
        return value
    low, high = (f"{end * factor:.{places}f}" for end in row.interval)
    return f"{value}\n[{low}, {high}]"


def ratio(comparison: Comparison, *, counted: bool = False) -> str:
    """Ratio and verdict, and the interval that decided on a second line.

    `counted` instructions are fewer or more, never faster or slower.
    """
    verdict = comparison.verdict
    word = _COUNTED.get(verdict, verdict.value) if counted else verdict.value
    text = f"x{comparison.ratio:.3f} {word}"
    if comparison.interval is not None:
        low, high = comparison.interval
        text += f"\n[{low:.3f}, {high:.3f}]"
    if verdict is Verdict.UNDECIDED and comparison.pairs_needed:
        text += f"\nneeds ~{comparison.pairs_needed} pairs"
    return text


def _places(value: float) -> int:
    """Decimals that leave four significant digits, at most four of them."""
    if value == 0:
        return 0
    return min(4, max(0, 3 - math.floor(math.log10(abs(value)))))
