"""A bench instrument that speaks SCPI: watts, or volts and amperes of one moment.

9.9E37 is SCPI's infinity (over range) and 9.91E37 its not-a-number (SCPI 1999, 7.2.1.4).
"""

from __future__ import annotations

from pipeline.board.energy.accuracy import Accuracy
from pipeline.board.energy.kinds import About, product

COUNTER = False


def value(text: str) -> float | None:
    """Watts; two numbers are volts and amperes."""
    return product(text, 1.0)


def accuracy(about: About) -> Accuracy:
    """There is none but what the lab file states."""
    raise KeyError(f"no accuracy is stated for {about.get('name', 'the meter')}")


def scope(about: About) -> str:
    """As the lab file says."""
    return about.get("scope", "meter")
