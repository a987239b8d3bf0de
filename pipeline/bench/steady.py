"""Whether a process had settled, and from which sample on.

Barrett et al., Virtual Machine Warmup Blows Hot and Cold, OOPSLA 2017: every process is
classified by the changes of level in its samples. Only `warm-up` leaves samples out of the
figures, those before it first reached the fastest level, in which it ended; the others count in
full, and how many there were is shown.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.bench.changepoints import Floats, correlation, segments
from pipeline.bench.records import Steadiness

FEWEST = 30
BATCHES = 64
SAMPLES_A_BATCH = 3
FEWEST_BATCHES = 10
SAME = math.log(1.005)
"""Levels closer than this are one: half of the band in which a difference is of no consequence."""
SETTLED_SHARE = 0.25


@dataclass(frozen=True)
class Steady:
    """A process's class, and its first sample that counts."""

    steadiness: Steadiness
    start: int = 0


def classify(processes: Sequence[Sequence[float]]) -> list[Steady]:
    """Of the processes of one session: their samples in the order they were taken, above 0."""
    known = [number for number, samples in enumerate(processes) if len(samples) >= FEWEST]
    logs = [batch_logs(np.asarray(processes[number], float)[None, :]) for number in known]
    found = [Steady(Steadiness.TOO_SHORT)] * len(processes)
    if known:
        rho = np.array([np.median([correlation(each)[0] for each in logs])])
        for number, each in zip(known, logs, strict=True):
            edges = batch_edges(len(processes[number]))
            found[number] = _class(each[0], segments(each, rho)[0], edges)
    return found


def classify_all(sessions: Floats) -> list[list[Steady]]:
    """The same for many sessions of one shape at once: (sessions, processes, samples)."""
    each, processes, count = sessions.shape
    if count < FEWEST:
        return [[Steady(Steadiness.TOO_SHORT)] * processes] * each
    logs = batch_logs(sessions.reshape(-1, count))
    pooled = np.median(correlation(logs).reshape(each, processes), axis=1)
    found = segments(logs, np.repeat(pooled, processes))
    edges = batch_edges(count)
    rows = [_class(row, cuts, edges) for row, cuts in zip(logs, found, strict=True)]
    return [rows[first : first + processes] for first in range(0, len(rows), processes)]


def batch_logs(samples: Floats) -> Floats:
    """(processes, batches): logs of the medians of consecutive batches."""
    edges = batch_edges(samples.shape[1])
    pairs = itertools.pairwise(edges)
    medians = np.stack([np.median(samples[:, a:b], axis=1) for a, b in pairs], axis=1)
    return np.log(medians)


def batch_edges(count: int) -> list[int]:
    """Bounds of the batches whose medians are looked at: no spike of one sample reaches them."""
    batches = min(BATCHES, max(FEWEST_BATCHES, count // SAMPLES_A_BATCH))
    return [round(edge) for edge in np.linspace(0, count, batches + 1)]


def _class(logs: Floats, found: list[tuple[int, int]], edges: list[int]) -> Steady:
    levels = [float(np.median(logs[start:stop])) for start, stop in found]
    alike = [abs(level - levels[-1]) <= SAME for level in levels]
    if all(alike):
        return Steady(Steadiness.FLAT)
    since = len(levels) - 1 - alike[::-1].index(False)
    if len(logs) - found[since + 1][0] < SETTLED_SHARE * len(logs):
        return Steady(Steadiness.NOT_STEADY)
    if levels[-1] > min(levels) + SAME:
        return Steady(Steadiness.SLOWDOWN)
    first = alike.index(True)
    if first == 0:  # it left its level and came back
        return Steady(Steadiness.NOT_STEADY)
    return Steady(Steadiness.WARM_UP, edges[found[first][0]])
