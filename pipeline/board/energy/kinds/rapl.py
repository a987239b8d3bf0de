"""RAPL: a counter in uJ of one CPU package. No maker states its accuracy: the bound is assumed."""

from __future__ import annotations

from pipeline.board.energy.accuracy import Accuracy
from pipeline.board.energy.kinds import About, number

COUNTER = True
ASSUMED = Accuracy(0.05, 0.0, source="assumed: no data sheet states it")


def value(text: str) -> float | None:
    """Joules since the counter's zero."""
    found = number(text)
    return None if found is None else found * 1e-6


def accuracy(about: About) -> Accuracy:
    """Assumed."""
    del about
    return ASSUMED


def scope(about: About) -> str:
    """The package; memory, board and supply are outside of it."""
    return f"CPU {about.get('name', 'package')}"
