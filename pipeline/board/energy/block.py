"""Energy of a block of work between idle windows: gross, net, idle power, with their budgets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.board.energy.accuracy import Accuracy
from pipeline.board.energy.noise import Noise, noise_of, quantisation_u
from pipeline.board.energy.trace import Trace
from pipeline.board.energy.uncertainty import Term, Uncertainty, combine
from pipeline.board.energy.window import Window, sampling_u, window

# Variance of what is reported, in units of the Allan variance of 1/f noise between windows in a
# row (Barnes & Allan, NBS TN 683, 1977, B functions: B2(2, 0) = 1.57). A mean by itself has half of
# that variance more for every octave below its window; eight of them are counted.
WANDER_OF_CONTRAST = 1.22
WANDER_OF_MEAN = 4.0
ENDS = 5
SIGNIFICANT = 2.0

Span = tuple[int, int]


@dataclass(frozen=True)
class Figure:
    """A value with its uncertainty, in one unit."""

    value: float
    uncertainty: Uncertainty

    @property
    def interval(self) -> tuple[float, float]:
        """95 % coverage."""
        half = self.uncertainty.expanded
        return self.value - half, self.value + half


@dataclass(frozen=True)
class Energy:
    """One block: joules over the window, idle watts at its middle, readings inside of it."""

    gross_j: Figure
    net_j: Figure
    idle_w: Figure
    seconds: float
    samples: int


def block_energy(
    trace: Trace, accuracy: Accuracy, before: Span, active: Span, after: Span, clock_s: float = 0.0
) -> Energy | None:
    """Energy over `active` (ns on the board's clock), idle interpolated from both sides.

    `clock_s` bounds the error of the trace's times. None, never 0, where readings do not span
    one of the three windows.
    """
    spans = (before, active, after)
    first, work, last = (window(trace, *span, guard_s=clock_s) for span in spans)
    if first is None or work is None or last is None:
        return None
    noise = noise_of([first, last])
    middles = [(span[0] / 2 + span[1] / 2) * 1e-9 for span in spans]
    share = (middles[1] - middles[0]) / (middles[2] - middles[0])
    idle_w = (1 - share) * first.mean_w + share * last.mean_w
    parts = _Parts(work, first, last, noise, accuracy, clock_s, share, middles[2] - middles[0])
    seconds, mean_w = work.seconds, work.mean_w
    gross = Figure(mean_w * seconds, combine(parts.gross()))
    net = Figure((mean_w - idle_w) * seconds, combine(parts.net()))
    idle = Figure(idle_w, combine(parts.idle()))
    return Energy(gross, net, idle, seconds, len(work.watts))


@dataclass(frozen=True)
class _Parts:
    """The terms of the three budgets."""

    work: Window
    first: Window
    last: Window
    noise: Noise
    accuracy: Accuracy
    clock_s: float
    share: float
    apart_s: float

    def gross(self) -> list[Term]:
        """Joules: all of the sensor's errors, over the window."""
        seconds = self.work.seconds
        return [
            self.accuracy.gain_term(self.work.mean_w * seconds),
            self.accuracy.offset_term(seconds),
            self._noise(self._white(self.work), WANDER_OF_MEAN * self.noise.wander, seconds),
            *self._of_work(),
        ]

    def net(self) -> list[Term]:
        """Joules: the offset cancels against idle; idle's noise and drift come in."""
        seconds = self.work.seconds
        net_w = self.work.mean_w - self._idle_w()
        white = self._white(self.work) + self._idle_white()
        rounding = self._quantisation() * math.sqrt((1 - self.share) ** 2 + self.share**2)
        return [
            self.accuracy.gain_term(net_w * seconds),
            self._noise(white, WANDER_OF_CONTRAST * self.noise.wander, seconds),
            *self._of_work(),
            Term("idle resolution", rounding * seconds, "rectangular"),
            Term("idle drift", self._bend_w() * seconds),
        ]

    def idle(self) -> list[Term]:
        """Watts."""
        return [
            self.accuracy.gain_term(self._idle_w()),
            self.accuracy.offset_term(1.0),
            self._noise(self._idle_white(), WANDER_OF_MEAN * self.noise.wander, 1.0),
            Term("resolution", self._quantisation(), "rectangular"),
            Term("idle drift", self._bend_w()),
        ]

    def _of_work(self) -> list[Term]:
        seconds = self.work.seconds
        return [
            Term("resolution", self._quantisation() * seconds, "rectangular"),
            Term("sampling", sampling_u(self.work, self.noise.single)),
            Term("clock", self.clock_s * self._rise_w() / math.sqrt(3), "rectangular"),
        ]

    def _idle_w(self) -> float:
        return (1 - self.share) * self.first.mean_w + self.share * self.last.mean_w

    def _noise(self, white: float, wander: float, scale: float) -> Term:
        return Term("noise", math.sqrt(white + wander) * scale, dof=self.noise.dof(white, wander))

    def _white(self, read: Window) -> float:
        """Variance of a mean by white noise; the difference of a counter's readings has none."""
        return 0.0 if read.counter else self.noise.white / read.effective

    def _idle_white(self) -> float:
        sides = ((1 - self.share, self.first), (self.share, self.last))
        return sum(part**2 * self.noise.white / read.effective for part, read in sides)

    def _quantisation(self) -> float:
        return quantisation_u(self.accuracy.resolution_w, self.noise.single)

    def _rise_w(self) -> float:
        """Change of power over the window: what a shift of the clock would cost."""
        return abs(float(self.work.watts[-ENDS:].mean() - self.work.watts[:ENDS].mean()))

    def _bend_w(self) -> float:
        """How far idle power may have bent off the straight line between its two windows.

        Were it a parabola through both means with the slopes seen inside of the windows, the line
        would be off by apart * (difference of slopes) / 8. Noise bends as well: what it explains is
        no bend.
        """
        before, of_before = self._slope(self.first)
        after, of_after = self._slope(self.last)
        bend = self.apart_s * (before - after) / 8
        noise = (self.apart_s / 8) ** 2 * (of_before + of_after)
        return math.sqrt(bend**2 - noise) if bend**2 > SIGNIFICANT * noise else 0.0

    def _slope(self, read: Window) -> tuple[float, float]:
        """Slope in W/s, and the variance that noise gives it."""
        slope = float(np.polyfit(read.times, read.watts, 1)[0])
        variance = 12 / read.seconds**2 * self.noise.white / len(read.watts)
        return slope, variance + 6 / read.seconds**2 * self.noise.wander
