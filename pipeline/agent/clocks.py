"""The system's clocks read together, so that the host can tell a step, a slew or a sleep of any.

CLOCK_MONOTONIC and CLOCK_REALTIME are steered alike, so their difference moves by steps alone;
CLOCK_MONOTONIC_RAW is never steered; CLOCK_BOOTTIME also counts suspended time
(clock_gettime(2)).
"""

from __future__ import annotations

import collections
import time

CLOCKS = {
    "realtime_ns": time.CLOCK_REALTIME,
    "raw_ns": getattr(time, "CLOCK_MONOTONIC_RAW", None),
    "boottime_ns": getattr(time, "CLOCK_BOOTTIME", None),
}
TRIES = 5
NARROW_NS = 20_000
TICK_READS = 2000
OFTEN = 5
ROUNDING_NS = 2


def together() -> dict[str, int]:
    """Every clock at one moment: `monotonic_ns` is its middle, `width_ns` how long it took."""
    best: dict[str, int] = {}
    for _ in range(TRIES):
        begin = time.perf_counter_ns()
        found = {n: time.clock_gettime_ns(c) for n, c in CLOCKS.items() if c is not None}
        end = time.perf_counter_ns()
        if not best or end - begin < best["width_ns"]:
            best = {"monotonic_ns": (begin + end) // 2, "width_ns": end - begin, **found}
        if best["width_ns"] < NARROW_NS:
            break
    return best


def stepped_ns(first: dict[str, int], last: dict[str, int]) -> int:
    """How far the wall clock was set between two readings of all clocks.

    Not wall time minus monotonic time over a window: who is interrupted between two reads would
    take that for a step.
    """
    before, after = (at["realtime_ns"] - at["monotonic_ns"] for at in (first, last))
    return after - before


def tick_ns() -> int:
    """Step of the clock of our samples, in ns; 0 where it is too fine to be seen.

    The times between reads lie on the clock's grid, each rounded to a ns: the least distance
    between two groups of them is the step. What was seen only a few times is a disturbance.
    """
    read = time.perf_counter_ns
    stamps = [read() for _ in range(TICK_READS)]
    steps = collections.Counter(b - a for a, b in zip(stamps, stamps[1:]))
    if set(steps) == {0}:
        return _next_step_ns(stamps[-1])
    usual = sorted(step for step, count in steps.items() if count >= OFTEN)
    gaps = [b - a for a, b in zip(usual, usual[1:]) if b - a > ROUNDING_NS]
    return min(gaps) if gaps else 0


def _next_step_ns(last: int) -> int:
    """How far the clock moves when it moves at last."""
    while (now := time.perf_counter_ns()) == last:
        pass
    return now - last
