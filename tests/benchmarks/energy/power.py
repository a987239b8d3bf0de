"""Known power over time, exact to integrate: what the stub meters look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
BLOCK_S, LEAD_S, PAUSE_S = 10.0, 3.0, 1.0
BEFORE = (LEAD_S, LEAD_S + BLOCK_S)
ACTIVE = (BEFORE[1] + PAUSE_S, BEFORE[1] + PAUSE_S + BLOCK_S)
AFTER = (ACTIVE[1] + PAUSE_S, ACTIVE[1] + PAUSE_S + BLOCK_S)
END_S = AFTER[1] + LEAD_S


@dataclass(frozen=True)
class Power:
    """Straight pieces: from `starts[k]` on it is `watts[k] + slopes[k] * (t - starts[k])`."""

    starts: Floats
    watts: Floats
    slopes: Floats

    def at(self, times: Floats) -> Floats:
        """Watts at these times."""
        piece, into = self._locate(times)
        return self.watts[piece] + self.slopes[piece] * into

    def until(self, times: Floats) -> Floats:
        """Joules from the first start to these times."""
        lengths = np.diff(self.starts)
        whole = self.watts[:-1] * lengths + self.slopes[:-1] * lengths**2 / 2
        before = np.concatenate([[0.0], np.cumsum(whole)])
        piece, into = self._locate(times)
        return before[piece] + self.watts[piece] * into + self.slopes[piece] * into**2 / 2

    def joules(self, begin_s: float, end_s: float) -> float:
        """Energy between two times."""
        low, high = self.until(np.array([begin_s, end_s]))
        return float(high - low)

    def mean(self, times: Floats, averaging_s: float) -> Floats:
        """Mean power over `averaging_s` before these times; the power itself for 0."""
        if averaging_s == 0:
            return self.at(times)
        return (self.until(times) - self.until(times - averaging_s)) / averaging_s

    def _locate(self, times: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
        piece = np.clip(np.searchsorted(self.starts, times, side="right") - 1, 0, None)
        return piece, times - self.starts[piece]


@dataclass(frozen=True)
class Scene:
    """Power with work in ACTIVE, and the idle power that is below it all the time."""

    power: Power
    idle: Power

    @property
    def gross_j(self) -> float:
        """True energy over the block."""
        return self.power.joules(*ACTIVE)

    @property
    def net_j(self) -> float:
        """True energy over the block, less what idling would have cost."""
        return self.gross_j - self.idle.joules(*ACTIVE)


Work = Callable[[np.random.Generator], tuple[Floats, Floats, Floats]]


def steps(chance: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """A few levels, as of a clock that is changed."""
    count = int(chance.integers(2, 6))
    starts = np.sort(np.concatenate([[0.0], chance.uniform(0, BLOCK_S, count - 1)]))
    return starts, chance.uniform(1.0, 5.0, count), np.zeros(count)


def bursts(chance: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Work that comes and goes, each time for a tenth of a second to more than one."""
    lengths = chance.uniform(0.1, 1.2, 120)
    starts = np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    starts = starts[starts < BLOCK_S]
    high = chance.uniform(2.0, 5.0)
    return starts, np.where(np.arange(len(starts)) % 2, 0.2, high), np.zeros(len(starts))


def ramp(chance: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """A board that warms up, or a clock that is held back bit by bit."""
    first, last = chance.uniform(1.0, 4.0, 2)
    return np.zeros(1), np.array([first]), np.array([(last - first) / BLOCK_S])


def pulses(chance: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Inference after inference, each shorter than any meter's interval."""
    period, duty = chance.uniform(0.002, 0.035), chance.uniform(0.3, 0.9)
    edges = np.arange(0.0, BLOCK_S, period)
    starts = np.stack([edges, edges + duty * period], axis=1).ravel()
    high, low = chance.uniform(2.0, 5.0), chance.uniform(0.1, 1.0)
    watts = np.tile([high, low], len(edges))
    return starts[starts < BLOCK_S], watts[starts < BLOCK_S], np.zeros((starts < BLOCK_S).sum())


def constant(chance: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Steady work."""
    return np.zeros(1), chance.uniform(0.5, 5.0, 1), np.zeros(1)


def flat_idle(chance: np.random.Generator) -> Power:
    """A board that idles steadily."""
    return Power(np.zeros(1) - 1, chance.uniform(1.0, 4.0, 1), np.zeros(1))


def drifting_idle(chance: np.random.Generator) -> Power:
    """An idle power that goes straight up or down with the temperature."""
    return Power(np.zeros(1) - 1, chance.uniform(1.0, 4.0, 1), chance.normal(0, 0.004, 1))


def bending_idle(chance: np.random.Generator) -> Power:
    """An idle power that still falls off after an earlier load, fast at first."""
    starts = np.arange(-1.0, END_S + 1, 0.5)
    tau, extra = chance.uniform(10, 60), chance.uniform(0.02, 0.2)
    levels = chance.uniform(1.0, 4.0) + extra * np.exp(-(starts + 1) / tau)
    return Power(starts, levels, np.append(np.diff(levels) / 0.5, 0.0))


SHAPES: dict[str, tuple[Work, Callable[[np.random.Generator], Power]]] = {
    "constant": (constant, flat_idle),
    "steps": (steps, flat_idle),
    "bursts": (bursts, flat_idle),
    "ramp": (ramp, flat_idle),
    "pulses": (pulses, flat_idle),
    "drift": (constant, drifting_idle),
    "bend": (steps, bending_idle),
}


def scene(shape: str, chance: np.random.Generator) -> Scene:
    """A random scene of that shape."""
    work, resting = SHAPES[shape]
    idle = resting(chance)
    starts, watts, slopes = work(chance)
    return Scene(_over(idle, starts + ACTIVE[0], watts, slopes), idle)


def _over(idle: Power, starts: Floats, watts: Floats, slopes: Floats) -> Power:
    """Idle everywhere, and the work's pieces on top of it inside ACTIVE."""
    extra = Power(
        np.concatenate([[-1.0], starts, [ACTIVE[1]]]),
        np.concatenate([[0.0], watts, [0.0]]),
        np.concatenate([[0.0], slopes, [0.0]]),
    )
    knots = np.unique(np.concatenate([idle.starts, extra.starts]))
    pieces = [np.searchsorted(p.starts, knots, side="right") - 1 for p in (idle, extra)]
    rates = idle.slopes[pieces[0]] + extra.slopes[pieces[1]]
    return Power(knots, idle.at(knots) + extra.at(knots), rates)
