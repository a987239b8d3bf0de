"""The sustained regime: work until the board's temperature is steady, then measure.

Steady: over the last `STEADY_S` seconds no thermal zone's mean moved by more than `STEADY_C` from
the first half to the second, which is 2 degC a minute. A Raspberry Pi tells its temperature in
steps of about half a degree, so less could not be seen.
"""

from __future__ import annotations

import glob
import time
from typing import Any

from .loop import Loop
from .protocol import Channel
from .texts import read_stripped

ZONES = "/sys/class/thermal/thermal_zone*/temp"
EVERY_S = 1.0
STEADY_S = 30.0
STEADY_C = 0.5
Reading = tuple[float, dict[str, int]]


def until_steady(loop: Loop, pool: Any, task: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Run inferences until then, or for `soak_limit_s`; without a thermometer for `STEADY_S`.

    Returns what is told of it: `seconds`, whether it is `steady` (None: nothing to tell it by), and
    the first and the last reading in milli-degC by zone.
    """
    readings: list[Reading] = []
    begin = now = time.monotonic()
    steady = None
    while True:
        loop.run(pool, int(EVERY_S * 1e9), 1, 1 << 30)
        now = time.monotonic()
        readings.append((now, temperatures(task["root"])))
        channel.send("progress", done=round(now - begin), total=round(task["soak_limit_s"]))
        if readings[-1][1]:
            steady = is_steady(readings, now)
        elif now - begin >= STEADY_S:
            break
        if steady or now - begin >= task["soak_limit_s"]:
            break
    return {
        "seconds": round(now - begin, 1),
        "steady": steady,
        "first_mc": readings[0][1],
        "last_mc": readings[-1][1],
    }


def temperatures(root: str) -> dict[str, int]:
    """Milli-degC by zone; a zone that does not answer with a number is left out."""
    found = {}
    for path in glob.glob(root + ZONES):
        text = read_stripped(path) or ""
        if text.lstrip("-").isdigit():
            found[path[len(root) :]] = int(text)
    return found


def is_steady(readings: list[Reading], now: float) -> bool:
    """Whether the last `STEADY_S` seconds are whole and level in every zone."""
    if now - readings[0][0] < STEADY_S:
        return False
    recent = [(t, zones) for t, zones in readings if now - t <= STEADY_S]
    halves = [[], []]  # type: list[list[dict[str, int]]]
    for t, zones in recent:
        halves[now - t < STEADY_S / 2].append(zones)
    return all(_level(halves, zone) for zone in recent[-1][1])


def _level(halves: list[list[dict[str, int]]], zone: str) -> bool:
    means = []
    for half in halves:
        known = [zones[zone] for zones in half if zone in zones]
        if not known:
            return False
        means.append(sum(known) / len(known))
    return abs(means[1] - means[0]) <= STEADY_C * 1000
