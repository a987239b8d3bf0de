"""Rules about the raw samples: a clock that moves, a list that is whole, and no copies in it."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.bench.records import Caution, Level
from pipeline.bench.session_warnings import SessionWarning
from pipeline.bench.validity import limits
from pipeline.bench.validity.evidence import Evidence, Process, caution, median_of

LONGEST_RUN = 400
ALIKE = 0.9
MS = 1e6


def frozen(evidence: Evidence) -> Iterator[Caution]:
    """So many equal samples in a row that it is no chance."""
    chance = equal_chance([p.samples for p in evidence.processes])
    for process in evidence.processes:
        run, count = longest_run(process.samples), len(process.samples)
        whole = run == count >= limits.FROZEN_SAMPLES
        if whole or (not evidence.settings.emulated and run > _possible(chance, count)):
            said = f"{run} of {count} samples in a row are the same"
            yield caution(SessionWarning.FROZEN_CLOCK, Level.INVALID, said, process)
            return


def longest_run(samples: Sequence[int]) -> int:
    """Length of the longest stretch of equal samples."""
    return max(sum(1 for _ in group) for _, group in itertools.groupby(samples))


def _possible(chance: float, count: int) -> float:
    """A longer run of equal samples among `count` is none of chance's; doubled, as neighbours are
    not independent."""
    if chance >= ALIKE:
        return math.inf
    return 1 + 2 * math.log(count / limits.CHANCE) / -math.log(chance)


def equal_chance(processes: Sequence[Sequence[int]]) -> float:
    """How often two samples of one process are equal; not below what so few of them could tell."""
    equal = sum(n * (n - 1) // 2 for p in processes for n in Counter(p).values())
    pairs = sum(len(p) * (len(p) - 1) // 2 for p in processes)
    return min(1.0, (equal + 3) / pairs) if pairs else 1.0


def coarse(evidence: Evidence) -> Iterator[Caution]:
    """The clock's step is too long for the model, as measured on the board or by the samples.

    One caution an arm, for its coarsest process.
    """
    for processes in evidence.arms.values():
        steps = [(step_ns(p) / (median_of(p.samples) or 1), p) for p in processes]
        share, process = max(steps, key=lambda item: item[0])
        if share > limits.COARSE:
            said = f"the clock's step of {step_ns(process):.0f} ns is {share:.1%} of a latency"
            level = Level.INVALID if share > limits.COARSE_BROKEN else Level.CAUTION
            yield caution(SessionWarning.COARSE_TIMER, level, said, process)


def step_ns(process: Process) -> int:
    """The longer of the agent's own figure and the grid that the samples lie on."""
    samples = process.samples
    grid = math.gcd(*(s - samples[0] for s in samples)) if len(set(samples)) > 2 else 0
    return max(grid, int(process.event.get("tick_ns") or 0))


def truncated(evidence: Evidence) -> Iterator[Caution]:
    """Samples are missing: by their count, by the settings, or by the time they leave open."""
    for processes in evidence.arms.values():
        idle = [(_unaccounted_ns(p) or 0) / len(p.samples) for p in processes]
        usual = median_of(idle) or 0.0
        found = [(said, p) for p in processes if (said := _missing(evidence, p, usual))]
        if found:
            said, process = found[0]
            said += f" ({len(found)} of {len(processes)} processes)"
            yield caution(SessionWarning.TRUNCATED_SAMPLES, Level.INVALID, said, process)


def _missing(evidence: Evidence, process: Process, usual_ns: float) -> str:
    count, settings = len(process.samples), evidence.settings
    told = process.event.get("iterations")
    if told is not None and told != count:
        return f"{count} samples of {told} inferences"
    if process.window is None:
        return ""
    span = process.window[1] - process.window[0]
    if settings.regime == "paced" and settings.rate_hz:
        due = min(int(settings.window_ms * settings.rate_hz / 1e3), settings.max_iterations)
        return f"{count} samples of {due} requests" if count < due else ""
    open_ns = span - sum(process.samples)
    if open_ns > limits.WINDOW_GAP * span and open_ns > limits.GAP_NS * count:
        return f"its samples fill {1 - open_ns / span:.0%} of its window"
    extra = (_unaccounted_ns(process) or 0) - usual_ns * count
    if extra > limits.UNACCOUNTED * span + limits.UNACCOUNTED_NS:
        return f"{extra / MS:.1f} ms of its CPU time belong to no sample"
    if count < settings.max_iterations and span < 0.99 * settings.window_ms * MS:
        return f"its window lasted {span / MS:.1f} of {settings.window_ms} ms"
    return ""


def _unaccounted_ns(process: Process) -> int | None:
    """CPU time of the measuring thread beside its samples: inputs, and the loop itself."""
    used = process.usage("thread_cpu_ns")
    return None if used is None else max(0, used - sum(process.service))


def duplicated(evidence: Evidence) -> Iterator[Caution]:
    """A run of samples occurs twice, where chance could not bring that about.

    Not on an emulator: it repeats itself by its nature.
    """
    processes = [p for p in evidence.processes if len(set(p.samples)) > 1]
    length = run_length([p.samples for p in processes])
    if evidence.settings.emulated or length is None:
        return
    hashes = [(_runs(p.samples, length), p) for p in processes]
    if not any(len(found) for found, _ in hashes):
        return
    values, counts = np.unique(np.concatenate([found for found, _ in hashes]), return_counts=True)
    repeated = values[counts > 1]
    hit = [p for found, p in hashes if np.isin(found, repeated).any()]
    if hit:
        where = ", ".join(str(p.index) for p in hit[:6])
        said = f"the same {length} samples or more occur twice (processes {where})"
        yield caution(SessionWarning.DUPLICATED_SAMPLES, Level.INVALID, said)


def run_length(processes: Sequence[Sequence[int]]) -> int | None:
    """How long an equal run must be to be no chance, by how often single samples are equal.

    Two runs of L independent samples are equal with probability p**L, and there are fewer than N**2
    pairs; L is doubled, as neighbours are not independent. None where samples hardly differ.
    """
    total, chance = sum(len(p) for p in processes), equal_chance(processes)
    if total < 2 or chance >= ALIKE:
        return None
    length = 2 * math.ceil(math.log(total**2 / limits.CHANCE) / -math.log(chance))
    return max(length, 4) if length <= LONGEST_RUN else None


def _runs(samples: Sequence[int], length: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """A 64-bit hash of every run of that length."""
    values = np.asarray(samples, np.uint64)
    count = len(values) - length + 1
    found = np.zeros(max(0, count), np.uint64)
    for offset in range(length if count > 0 else 0):
        found = found * np.uint64(0x9E3779B97F4A7C15) + values[offset : offset + count]
    return found
