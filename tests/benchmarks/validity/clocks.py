"""Corruptions of the CPU's clock and of the board's supply and heat."""

from __future__ import annotations

import random

from tests.benchmarks.validity.corruptions import corruption, cpufreq, firmware, thermometer
from tests.benchmarks.validity.edits import (
    STATES,
    add_number,
    between,
    later,
    move_ticks,
    set_word,
    slow_down,
    some,
    stretch,
)  # fmt: skip
from tests.benchmarks.validity.session import COOLER, HWMON, POLICY, ZONE, Made

MS = 1e6
KHZ = {"scaling_max_freq": f"{POLICY}/scaling_max_freq"}


def in_a_window(made: Made, chance: random.Random, length_ns: float) -> tuple[float, float]:
    """A stretch that begins inside the measured window of some process."""
    begin, end = chance.choice(made.processes)["window_t_ns"]
    start = chance.uniform(begin, max(begin, end - length_ns))
    return start, start + length_ns


@corruption("throttle pulse, firmware tells", "ms", (1, 10, 100, 1000), "THROTTLED",
            needs=firmware)  # fmt: skip
def throttle_pulse(made: Made, ms: float, chance: random.Random) -> None:
    """Between two looks: only the sticky bits remember it."""
    begin, end = in_a_window(made, chance, ms * MS)
    slow_down(made, begin, end)
    for look in made.looks:
        if look["clocks"]["monotonic_ns"] >= begin:
            set_word(look, 0x60000 & ~0x10000)
    for look in made.looks:
        if look["clocks"]["monotonic_ns"] < begin:
            _forget(look)


def _forget(look: dict[str, dict[str, str]]) -> None:
    """No bit before: one that is stuck already cannot tell of another time."""
    look["texts"]["vcgencmd get_throttled"] = "throttled=0x0\n"


@corruption("clock pulse, nobody tells", "ms", (5, 20, 50, 100, 200), "CLOCK_UNSTEADY",
            needs=cpufreq)  # fmt: skip
def clock_pulse(made: Made, ms: float, chance: random.Random) -> None:
    """The clock falls inside one window; only time_in_state and the samples know."""
    slow_down(made, *in_a_window(made, chance, ms * MS))


@corruption("sticky bit alone", "bit", (17, 18, 19), "THROTTLED", needs=firmware)
def sticky_bit(made: Made, bit: float, chance: random.Random) -> None:
    """The firmware remembers what nobody saw."""
    for look in made.looks:
        _forget(look)
    for look in later(made, chance):
        set_word(look, 1 << int(bit))


@corruption("live bit at some looks", "looks", (1, 2, 5), "THROTTLED", needs=firmware)
def live_bit(made: Made, count: float, chance: random.Random) -> None:
    """As where the sticky bits are cleared by another reader."""
    start = chance.randrange(1, len(made.looks) - int(count))
    for look in made.looks[start : start + int(count)]:
        set_word(look, 1 << chance.randrange(1, 4))


@corruption("cooling device at work", "looks", (1, 2, 5), "THROTTLED", needs=thermometer)
def cooler(made: Made, count: float, chance: random.Random) -> None:
    """The kernel's own throttling, on boards without such firmware."""
    start = chance.randrange(1, len(made.looks) - int(count))
    for look in made.looks[start : start + int(count)]:
        look["texts"][f"{COOLER}/cur_state"] = f"{chance.randrange(1, 4)}\n"


@corruption("governor changed and back", "ms", (50, 200, 500, 1000, 3000),
            "GOVERNOR_CHANGED CLOCK_UNSTEADY", needs=cpufreq)  # fmt: skip
def governor(made: Made, ms: float, chance: random.Random) -> None:
    """Somebody tries another governor, which lowers the clock while it stands."""
    begin, end = stretch(made, chance, ms * MS)
    slow_down(made, begin, end)
    for look in between(made, begin, end):
        look["texts"][f"{POLICY}/scaling_governor"] = "powersave\n"


@corruption("governor changed for good", "from process", (1, 10, 19), "GOVERNOR_CHANGED",
            needs=cpufreq)  # fmt: skip
def governor_for_good(made: Made, index: float, chance: random.Random) -> None:
    """To one that keeps the clock as it is."""
    start = next(n for n, look in enumerate(made.looks) if look.get("index") == int(index))
    for look in made.looks[start:]:
        path = f"{POLICY}/scaling_governor"
        look["texts"][path] = "userspace\n"


@corruption("under-voltage alarm", "ms", (100, 500, 1000, 3000), "UNDER_VOLTAGE", needs=firmware)
def under_voltage(made: Made, ms: float, chance: random.Random) -> None:
    """The supply sags: alarm and live bit at the looks in its time, the sticky bit after."""
    begin, end = stretch(made, chance, ms * MS)
    for look in made.looks:
        if look["clocks"]["monotonic_ns"] < begin:
            _forget(look)
        else:
            set_word(look, 0x10000)
    for look in between(made, begin, end):
        look["texts"][f"{HWMON}/in0_lcrit_alarm"] = "1\n"
        set_word(look, 0x1)


@corruption("under-voltage, driver alone", "ms", (100, 500, 600, 1000, 3000), "UNDER_VOLTAGE",
            needs=firmware)  # fmt: skip
def alarm_alone(made: Made, ms: float, chance: random.Random) -> None:
    """Without vcgencmd the alarm is seen only by a look that falls into its time."""
    begin, end = stretch(made, chance, ms * MS)
    for look in made.looks:
        look["texts"].pop("vcgencmd get_throttled")
    for look in between(made, begin, end):
        look["texts"][f"{HWMON}/in0_lcrit_alarm"] = "1\n"


@corruption("limit below the hardware's", "share", (0.01, 0.03, 0.1, 0.5), "CLOCK_CAPPED",
            needs=cpufreq)  # fmt: skip
def capped(made: Made, share: float, chance: random.Random) -> None:
    """From the start: the figures are those of a slower board."""
    for look in made.looks:
        add_number(look["texts"], f"{POLICY}/scaling_max_freq", r"^(\d+)$",
                   -share * max(made.kind.clocks_khz))  # fmt: skip


@corruption("limit lowered meanwhile", "share", (0.01, 0.1, 0.5), "CLOCK_UNSTEADY", needs=cpufreq)
def cap_lowered(made: Made, share: float, chance: random.Random) -> None:
    """As a power daemon does."""
    for look in later(made, chance):
        add_number(look["texts"], f"{POLICY}/scaling_max_freq", r"^(\d+)$",
                   -share * max(made.kind.clocks_khz))  # fmt: skip


@corruption("time_in_state lacks time", "share", (0.01, 0.05, 0.1, 0.3, 1.0), "CLOCK_RECORD",
            needs=cpufreq)  # fmt: skip
def lost_states(made: Made, share: float, chance: random.Random) -> None:
    """Its counts grow slower than time does; at 1 they stand still."""
    first = dict(map(int, r.split()) for r in made.looks[0]["texts"][STATES].splitlines())
    texts = [look["texts"] for look in made.looks]
    texts += [p["around"][w]["states"] for p in made.processes for w in ("before", "after")]
    for each in texts:
        rows = dict(map(int, row.split()) for row in each[STATES].splitlines())
        kept = {khz: first[khz] + round((n - first[khz]) * (1 - share)) for khz, n in rows.items()}
        each[STATES] = "".join(f"{khz} {count}\n" for khz, count in kept.items())


@corruption("time_in_state goes back", "ticks", (1, 10, 1000), "CLOCK_RECORD", needs=cpufreq)
def states_back(made: Made, ticks: float, chance: random.Random) -> None:
    """A counter that was reset, below what it had been at the look before."""
    looks = [look for look in made.looks if look["event"] == "facts" or "index" in look]
    number = chance.randrange(1, len(looks))
    before = looks[number - 1]["texts"][STATES].splitlines()
    rows = dict(map(int, row.split()) for row in before)
    low = min(rows)
    rows[low] -= int(ticks)
    looks[number]["texts"][STATES] = "".join(f"{khz} {count}\n" for khz, count in rows.items())


@corruption("measured clock falls", "share", (0.03, 0.06, 0.12, 0.3), "CLOCK_UNSTEADY")
def measured(made: Made, share: float, chance: random.Random) -> None:
    """One process ran on a slower core, and no file says so."""
    process = chance.choice(made.processes)
    for around in process["around"].values():
        around["clock_mhz"] *= 1 - share


@corruption("all windows at mixed clocks", "share low", (0.05, 0.15, 0.3, 0.5), "CLOCK_UNSTEADY",
            needs=cpufreq)  # fmt: skip
def mixed(made: Made, share: float, chance: random.Random) -> None:
    """The clock toggles all the while, evenly."""
    top, low = max(made.kind.clocks_khz), min(made.kind.clocks_khz)
    for process in made.processes:
        first, last = process["window_t_ns"]
        states = process["around"]["after"]["states"]
        move_ticks(states, top, low, round((last - first) / 1e7 * share))


@corruption("temperature ramp", "degC", (5, 10, 17, 25, 40), "WARMING HOT", needs=thermometer)
def ramp(made: Made, degrees: float, chance: random.Random) -> None:
    """A cold board, or one in the sun."""
    first = made.looks[0]["clocks"]["monotonic_ns"]
    span = made.looks[-1]["clocks"]["monotonic_ns"] - first
    for look in made.looks:
        part = (look["clocks"]["monotonic_ns"] - first) / span
        add_number(look["texts"], f"{ZONE}/temp", r"(\d+)", part * degrees * 1000)


@corruption("temperature moves in a sustained window", "degC", (1, 3, 5, 10), "NOT_STEADY",
            needs=thermometer, regime="sustained")  # fmt: skip
def unsteady_heat(made: Made, degrees: float, chance: random.Random) -> None:
    """The soak ended too early, or a fan started."""
    for process in some(made, chance, 0.5):
        for zone in process["soak"]["last_mc"]:
            process["soak"]["last_mc"][zone] += round(degrees * 1000) * chance.choice((-1, 1))


@corruption("soak without a steady end", "processes", (1, 5, 20), "NOT_STEADY",
            needs=thermometer, regime="sustained")  # fmt: skip
def soak(made: Made, count: float, chance: random.Random) -> None:
    """The limit came first."""
    for process in chance.sample(made.processes, int(count)):
        process["soak"]["steady"] = False
