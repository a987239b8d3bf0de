"""Raspberry Pi 5: `vcgencmd pmic_read_adc`, the sum over the converters of the power chip.

A converter has a line `NAME_A current(n)=...A` and one `NAME_V volt(n)=...V`. EXT5V and BATT have
volts only: what USB, HATs and the fan draw from 5 V, and the converters' own losses, are not in it.
The chip's maker publishes no accuracy: the bounds are assumed, and say so.
"""

from __future__ import annotations

import re

from pipeline.board.energy.accuracy import Accuracy
from pipeline.board.energy.kinds import About

COUNTER = False
LINE = re.compile(r"^\s*(\w+)_([AV]) (?:current|volt)\(\d+\)=(\d+\.\d+)[AV]\s*$", re.MULTILINE)
ASSUMED = Accuracy(0.05, 0.05, 0.003, source="assumed: no data sheet states it")


def value(text: str) -> float | None:
    """Watts over all converters that tell volts and amperes; None where none does."""
    pairs = converters(text)
    return sum(volts * amperes for volts, amperes in pairs.values()) if pairs else None


def converters(text: str) -> dict[str, tuple[float, float]]:
    """{converter: (V, A)}."""
    found: dict[str, dict[str, float]] = {}
    for name, unit, figure in LINE.findall(text):
        found.setdefault(name, {})[unit] = float(figure)
    return {name: (one["V"], one["A"]) for name, one in found.items() if len(one) == 2}


def accuracy(about: About) -> Accuracy:
    """Assumed."""
    del about
    return ASSUMED


def scope(about: About) -> str:
    """Never the board's input."""
    del about
    return "PMIC rails"
