"""Corruptions of the clocks that everything is timed by, and of the raw samples."""

from __future__ import annotations

import random

from tests.benchmarks.validity.corruptions import corruption
from tests.benchmarks.validity.edits import later, some
from tests.benchmarks.validity.session import Made

MS = 1e6


def jump(made: Made, ms: float, chance: random.Random) -> None:
    """The wall clock is set at one moment."""
    looks = list(later(made, chance))
    since = looks[0]["clocks"]["monotonic_ns"]
    for look in looks:
        look["clocks"]["realtime_ns"] += round(ms * MS)
        if "time_s" in look:
            look["time_s"] += ms / 1000
    for process in made.processes:
        first, last = process["window_t_ns"]
        if first < since <= last:
            process["window_wall_ns"] += round(ms * MS)


@corruption("wall clock jumps forwards", "ms", (0.5, 3, 20, 1000, 3.6e6), "CLOCK_JUMP")
def forwards(made: Made, ms: float, chance: random.Random) -> None:
    """NTP sets it, or the machine was paused."""
    jump(made, ms, chance)


@corruption("wall clock jumps backwards", "ms", (0.5, 3, 20, 1000, 3.6e6), "CLOCK_JUMP")
def backwards(made: Made, ms: float, chance: random.Random) -> None:
    """The other way."""
    jump(made, -ms, chance)


@corruption("machine suspended", "ms", (1, 3, 100, 1e5), "SUSPENDED CLOCK_JUMP")
def suspended(made: Made, ms: float, chance: random.Random) -> None:
    """A lid was closed."""
    for look in later(made, chance):
        look["clocks"]["boottime_ns"] += round(ms * MS)
        look["clocks"]["realtime_ns"] += round(ms * MS)


@corruption("clock steered", "ppm", (200, 1500, 5000, 50_000), "CLOCK_SLEWED")
def slewed(made: Made, ppm: float, chance: random.Random) -> None:
    """chrony makes up for a wrong clock: seconds are too short or too long."""
    rate = 1 + chance.choice((-1, 1)) * ppm / 1e6
    first = made.looks[0]["clocks"]["raw_ns"]
    for look in made.looks:
        look["clocks"]["raw_ns"] = round(first + (look["clocks"]["raw_ns"] - first) * rate)


@corruption("monotonic clock goes back", "ms", (0.01, 1, 1000), "TIME_DISORDER")
def back(made: Made, ms: float, chance: random.Random) -> None:
    """A broken clock source: a look is stamped before the one before it."""
    looks = [look for look in made.looks if "index" in look]
    number = chance.randrange(1, len(looks))
    looks[number]["clocks"]["monotonic_ns"] = round(
        looks[number - 1]["clocks"]["monotonic_ns"] - ms * MS
    )


@corruption("a window out of place", "ms", (30, 1000, 1e5), "TIME_DISORDER")
def misplaced(made: Made, ms: float, chance: random.Random) -> None:
    """The record of one process is of another time."""
    process = chance.choice(made.processes[1:])
    for number in (0, 1):
        process["window_t_ns"][number] -= round(ms * MS + 4e8)


@corruption("clock frozen for a part", "share", (0.05, 0.2, 0.5, 1.0), "FROZEN_CLOCK")
def frozen(made: Made, share: float, chance: random.Random) -> None:
    """The last samples of a process are all the same."""
    process = chance.choice([p for p in made.processes if len(p["samples_ns"]) >= 12])
    samples = process["samples_ns"]
    count = max(2, round(share * len(samples)))
    value = min(samples)
    samples[-count:] = [value] * count


@corruption("coarse timer", "of a latency", (0.003, 0.02, 0.1, 0.5), "COARSE_TIMER FROZEN_CLOCK")
def coarse(made: Made, share: float, chance: random.Random) -> None:
    """A clock that moves in long steps."""
    for process in made.processes:
        samples = process["samples_ns"]
        step = max(2, round(share * sorted(samples)[len(samples) // 2]))
        process["samples_ns"] = [max(1, s // step) * step for s in samples]


@corruption("samples copied from another process", "share", (0.1, 0.3, 1.0), "DUPLICATED_SAMPLES")
def duplicated(made: Made, share: float, chance: random.Random) -> None:
    """The record was put together wrongly."""
    first, second = chance.sample([p for p in made.processes if p["arm"] == "small"], 2)
    shorter = min(len(first["samples_ns"]), len(second["samples_ns"]))
    count = max(2, round(share * shorter))
    at = chance.randrange(shorter - count + 1)
    second["samples_ns"][at : at + count] = first["samples_ns"][at : at + count]


@corruption("samples cut off", "share", (0.01, 0.1, 0.5), "TRUNCATED_SAMPLES")
def cut(made: Made, share: float, chance: random.Random) -> None:
    """The line broke, and the rest was taken for all."""
    for process in some(made, chance, 0.2):
        keep = max(
            1, len(process["samples_ns"]) - max(1, round(share * len(process["samples_ns"])))
        )
        del process["samples_ns"][keep:]


@corruption("samples left out, count made to fit", "share", (0.1, 0.3, 0.5, 0.8),
            "TRUNCATED_SAMPLES")  # fmt: skip
def left_out(made: Made, share: float, chance: random.Random) -> None:
    """Somebody removed the slow ones, and knew about the count."""
    for process in made.processes:
        samples = process["samples_ns"]
        keep = max(1, round((1 - share) * len(samples)))
        slow = sorted(range(len(samples)), key=samples.__getitem__)[keep:]
        process["samples_ns"] = [s for n, s in enumerate(samples) if n not in set(slow)]
        process["iterations"] = len(process["samples_ns"])


@corruption("samples longer than their window", "factor", (1.05, 1.5, 10), "TIME_DISORDER")
def too_long(made: Made, factor: float, chance: random.Random) -> None:
    """Of another unit, or another process."""
    process = chance.choice(made.processes)
    process["samples_ns"] = [round(s * factor) for s in process["samples_ns"]]


@corruption("warm-up left in the samples", "more at first", (0.02, 0.1, 0.3, 1.0), "warm-up")
def warm_up(made: Made, more: float, chance: random.Random) -> None:
    """Every process begins slow and settles within the first third."""
    for process in made.processes:
        samples = process["samples_ns"]
        third = max(1, len(samples) // 3)
        for n in range(third):
            samples[n] = round(samples[n] * (1 + more * (1 - n / third)))
        _stretch(process)


def _stretch(process: dict[str, list[int]]) -> None:
    first, last = process["window_t_ns"]
    process["window_t_ns"][1] = max(last, first + round(sum(process["samples_ns"]) * 1.001))
