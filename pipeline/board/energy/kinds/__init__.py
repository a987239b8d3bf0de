"""What the raw texts of each kind of sensor mean: a module here for each one of the agent's, and
one for each kind of meter, found by its name.

`value(text)` -> watts, or joules of a counter (`COUNTER`), None where the text is no reading;
`accuracy(about)` -> what its data sheet states; `scope(about)` -> what it sees of the board.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Protocol, cast

from pipeline.board.energy.accuracy import Accuracy

About = Mapping[str, str]


class Kind(Protocol):
    """A module of this package."""

    COUNTER: bool

    def value(self, text: str) -> float | None:
        """Watts; of a counter joules."""

    def accuracy(self, about: About) -> Accuracy:
        """Bounds of its errors."""

    def scope(self, about: About) -> str:
        """What part of the board's power it sees, as far as the sensor itself can tell."""


def kind(sensor: str) -> Kind:
    """The module of that name. Raises KeyError."""
    try:
        return cast(Kind, importlib.import_module(f"{__name__}.{sensor}"))
    except ModuleNotFoundError:
        raise KeyError(sensor) from None


def number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if abs(found) < 1e30 else None


def product(text: str, scale: float) -> float | None:
    """The numbers of a text multiplied, such as volts and amperes; None where one is none."""
    result = scale
    for word in text.split():
        found = number(word)
        if found is None:
            return None
        result *= found
    return result if text.split() else None
