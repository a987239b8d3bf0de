"""Changes of a session's events that several corruptions share."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from tests.benchmarks.validity.session import POLICY, TICK_NS, Event, Made

STATES = f"{POLICY}/stats/time_in_state"


def later(made: Made, chance: random.Random) -> Iterator[Event]:
    """Looks after a moment in the midst of the session."""
    looks = made.looks
    start = chance.randrange(len(looks) // 4, 3 * len(looks) // 4)
    yield from looks[start:]


def between(made: Made, begin_ns: float, end_ns: float) -> list[Event]:
    """Looks that fall into a stretch of time."""
    return [e for e in made.looks if begin_ns <= e["clocks"]["monotonic_ns"] < end_ns]


def stretch(made: Made, chance: random.Random, length_ns: float) -> tuple[float, float]:
    """A stretch of that length in the session, anywhere."""
    first, last = (made.looks[n]["clocks"]["monotonic_ns"] for n in (1, -2))
    begin = chance.uniform(first, max(first, last - length_ns))
    return begin, begin + length_ns


def set_word(look: Event, bits: int) -> None:
    """Add bits to the firmware's word of a look."""
    text = look["texts"]["vcgencmd get_throttled"]
    word = int(text.partition("=")[2], 16) | bits
    look["texts"]["vcgencmd get_throttled"] = f"throttled={word:#x}\n"


def slow_down(made: Made, begin_ns: float, end_ns: float) -> None:
    """The clock falls to its lowest for a stretch: in samples, residency and measured clock."""
    top, low = max(made.kind.clocks_khz), min(made.kind.clocks_khz)
    for look in made.looks:
        past = min(max(look["clocks"]["monotonic_ns"], begin_ns), end_ns) - begin_ns
        move_ticks(look["texts"], top, low, round(past / TICK_NS))
    for process in made.processes:
        _slow_window(process, begin_ns, end_ns, low / top)


def _slow_window(event: Event, begin: float, end: float, ratio: float) -> None:
    first, last = event["window_t_ns"]
    for when, at in (("before", first), ("after", last)):
        past = (min(max(at, begin), end) - begin) / TICK_NS
        around = event["around"][when]
        clocks = [int(line.split()[0]) for line in around["states"].get(STATES, "").splitlines()]
        if clocks:
            move_ticks(around["states"], max(clocks), min(clocks), round(past))
        if begin <= at < end:
            around["clock_mhz"] = round(around["clock_mhz"] * ratio, 1)
    at = float(first)
    for number, ns in enumerate(event["samples_ns"]):
        if begin <= at < end:
            event["samples_ns"][number] = round(ns / ratio)
        at += ns
    trim(event)


def trim(event: Event) -> None:
    """Slower samples fill the same window with fewer of them."""
    first, last = event["window_t_ns"]
    while sum(event["samples_ns"]) > last - first and len(event["samples_ns"]) > 1:
        event["samples_ns"].pop()
    event["iterations"] = len(event["samples_ns"])


def move_ticks(texts: dict[str, str], from_khz: int, to_khz: int, ticks: int) -> None:
    """Book ticks on another clock in a time_in_state text."""
    if STATES not in texts:
        return
    rows = dict(map(int, line.split()) for line in texts[STATES].splitlines())
    rows[from_khz] -= ticks
    rows[to_khz] += ticks
    texts[STATES] = "".join(f"{khz} {count}\n" for khz, count in rows.items())


def add_number(texts: dict[str, str], path: str, pattern: str, amount: float) -> None:
    """Add to the number that a pattern's group catches in a text."""

    def added(found: re.Match[str]) -> str:
        start, end = (position - found.start() for position in found.span(1))
        whole, number = found.group(0), int(found.group(1))
        return whole[:start] + str(max(0, round(number + amount))) + whole[end:]

    if path in texts:
        texts[path] = re.sub(pattern, added, texts[path], count=1, flags=re.MULTILINE)


def some(made: Made, chance: random.Random, share: float = 0.0) -> list[Event]:
    """A share of the processes, one at least."""
    count = max(1, round(share * len(made.processes)))
    return chance.sample(made.processes, count)
