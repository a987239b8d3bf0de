"""What may happen to a session, each over a sweep of magnitudes, done to what the agent told of it.

A corruption changes everything that the real thing would change and that we know of: a throttled
clock shows in the samples and in the residency, a governor only at the looks that fall into its
time. `needs` picks the boards and regimes on which it can happen at all.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.benchmarks.validity.boards import Kind
from tests.benchmarks.validity.session import Made

Change = Callable[[Made, float, random.Random], None]
Needs = Callable[[Kind], bool]


@dataclass(frozen=True)
class Corruption:
    """`expected` are the findings that name it; `magnitudes` rise, in `unit`."""

    name: str
    unit: str
    magnitudes: Sequence[float]
    expected: frozenset[str]
    change: Change
    needs: Needs
    regime: str


CORRUPTIONS: dict[str, Corruption] = {}


def corruption(
    name: str, unit: str, magnitudes: Sequence[float], expected: str, *,
    needs: Needs = lambda _: True, regime: str = "burst",
) -> Callable[[Change], Change]:  # fmt: skip
    """Register a corruption."""

    def register(change: Change) -> Change:
        names = frozenset(expected.split())
        CORRUPTIONS[name] = Corruption(name, unit, magnitudes, names, change, needs, regime)
        return change

    return register


def firmware(kind: Kind) -> bool:
    """Boards that tell throttling by bits."""
    return kind.firmware


def cpufreq(kind: Kind) -> bool:
    """Boards that tell their clock."""
    return bool(kind.clocks_khz)


def thermometer(kind: Kind) -> bool:
    """Boards that tell their temperature."""
    return kind.thermometer
