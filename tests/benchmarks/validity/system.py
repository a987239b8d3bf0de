"""Corruptions by other work: load, memory, scheduling, CPUs."""

from __future__ import annotations

import random
from dataclasses import replace

from tests.benchmarks.validity.boards import Kind
from tests.benchmarks.validity.corruptions import corruption
from tests.benchmarks.validity.edits import add_number, later, some
from tests.benchmarks.validity.session import TICK_NS, Made

BUSY, IDLE = r"^cpu +(\d+)", r"^cpu +\d+ 0 \d+ (\d+)"


def grow(made: Made, cpus: float, begin: float, end: float) -> None:
    """Let other work take CPUs in a stretch of time: busy ticks instead of idle ones."""
    for look in made.looks:
        past = min(max(look["clocks"]["monotonic_ns"], begin), end) - begin
        ticks = past * cpus / TICK_NS
        add_number(look["texts"], "/proc/stat", IDLE, -ticks)
        add_number(look["texts"], "/proc/stat", BUSY, ticks)


def four(kind: Kind) -> bool:
    """Boards on which two CPUs of other work leave some idle."""
    return kind.cpus >= 4


@corruption("background load", "CPUs", (0.1, 0.25, 0.5, 1.0, 2.0), "HIGH_LOAD", needs=four)
def load(made: Made, cpus: float, chance: random.Random) -> None:
    """All the while, on other cores."""
    first, last = (made.looks[n]["clocks"]["monotonic_ns"] for n in (0, -1))
    grow(made, cpus, first, last)


@corruption("burst of load", "s on one CPU", (0.5, 1.0, 2.0, 5.0), "HIGH_LOAD", needs=four)
def burst(made: Made, seconds: float, chance: random.Random) -> None:
    """A cron job on one core and a half."""
    begin = chance.choice(made.processes)["window_t_ns"][0] - seconds * 0.5e9
    grow(made, 1.5, begin, begin + seconds * 1e9)


@corruption("interrupted inferences", "share of time", (0.01, 0.05, 0.15, 0.3, 0.6), "PREEMPTED",
            needs=lambda kind: kind.cpus > 1)  # fmt: skip
def preempted(made: Made, share: float, chance: random.Random) -> None:
    """A program on our own core takes slices of 3 ms, in one process."""
    process = chance.choice(made.processes)
    first, last = process["window_t_ns"]
    lost = share * (last - first)
    usage = process["usage"]
    usage["involuntary_switches"] += max(1, round(lost / 3e6))
    for name in ("cpu_ns", "thread_cpu_ns"):
        usage[name] = round(usage[name] * (1 - share))
    made.settings = replace(made.settings, threads=1)


@corruption("involuntary switches", "1/s", (30, 110, 300, 1000), "SWITCHES PREEMPTED")
def switches(made: Made, rate: float, chance: random.Random) -> None:
    """Many, each short: a driver's thread."""
    for process in some(made, chance, 0.2):
        first, last = process["window_t_ns"]
        process["usage"]["involuntary_switches"] += round(rate * (last - first) / 1e9) + 1


@corruption("time stolen by a hypervisor", "share", (0.01, 0.03, 0.1, 0.3), "STOLEN_TIME")
def stolen(made: Made, share: float, chance: random.Random) -> None:
    """On a virtual machine beside busy ones."""
    first = made.looks[0]["clocks"]["monotonic_ns"]
    for look in made.looks:
        ticks = (look["clocks"]["monotonic_ns"] - first) / TICK_NS * made.kind.cpus * share
        add_number(look["texts"], "/proc/stat", r"^cpu +(?:\d+ ){7}(\d+)", ticks)


@corruption("swap", "KiB", (64, 256, 1024, 32768), "SWAPPING")
def swap(made: Made, kib: float, chance: random.Random) -> None:
    """Memory goes out and comes back."""
    for look in later(made, chance):
        add_number(look["texts"], "/proc/vmstat", r"^pswpout (\d+)", kib / 4)
        add_number(look["texts"], "/proc/meminfo", r"^SwapFree: (\d+)", -kib)


@corruption("pages from the disk", "in a window", (1, 5, 50), "DISK_READS")
def disk_reads(made: Made, count: float, chance: random.Random) -> None:
    """The model's file left the page cache."""
    chance.choice(made.processes)["usage"]["major_faults"] += int(count)


@corruption("cold page cache", "share of an arm", (0.3, 0.5, 0.8, 1.0), "COLD_CACHE")
def cold(made: Made, share: float, chance: random.Random) -> None:
    """Load reads the disk in many processes, not in the first alone."""
    own = [p for p in made.processes if p["arm"] == "small"]
    for process in chance.sample(own, round(share * len(own))):
        process["load_major_faults"] = chance.randrange(20, 400)
        process["load_ns"] *= 20


@corruption("page-fault storm", "an inference", (1, 5, 20, 200), "PAGE_FAULTS")
def faults(made: Made, each: float, chance: random.Random) -> None:
    """One process gets its memory anew in each inference."""
    process = chance.choice(made.processes)
    process["usage"]["minor_faults"] += round(each * len(process["samples_ns"]))


@corruption("memory taken by others", "share of the available", (0.1, 0.3, 0.5, 0.9),
            "MEMORY_PRESSURE")  # fmt: skip
def pressure(made: Made, share: float, chance: random.Random) -> None:
    """A program grows meanwhile."""
    for look in later(made, chance):
        text = look["texts"]["/proc/meminfo"]
        free = int(text.split("MemAvailable:")[1].split()[0])
        add_number(look["texts"], "/proc/meminfo", r"^MemAvailable: +(\d+)", -share * free)


@corruption("memory balloon", "share of all", (0.001, 0.01, 0.1, 0.5), "MEMORY_CHANGED")
def balloon(made: Made, share: float, chance: random.Random) -> None:
    """The machine itself becomes smaller."""
    for look in later(made, chance):
        add_number(look["texts"], "/proc/meminfo", r"^MemTotal: +(\d+)",
                   -share * made.kind.memory_kib)  # fmt: skip


@corruption("memory of one process", "more", (0.05, 0.25, 0.5, 2.0), "UNEVEN_MEMORY")
def peak(made: Made, more: float, chance: random.Random) -> None:
    """A leak, or another model."""
    process = chance.choice(made.processes)
    process["memory_kib"]["peak"] = round(process["memory_kib"]["peak"] * (1 + more))


@corruption("CPU unplugged and back", "looks", (1, 2, 10), "CPUS_CHANGED")
def hotplug(made: Made, count: float, chance: random.Random) -> None:
    """Core control takes one away."""
    start = chance.randrange(1, len(made.looks) - int(count))
    for look in made.looks[start : start + int(count)]:
        look["texts"]["/sys/devices/system/cpu/online"] = "0\n"


@corruption("affinity lost", "processes", (1, 5, 20), "AFFINITY_LOST")
def affinity(made: Made, count: float, chance: random.Random) -> None:
    """A cpuset moves the process while it is measured."""
    for process in chance.sample(made.processes, int(count)):
        cpus = [cpu + 1 for cpu in process["at_begin"]["affinity"]]
        process["at_end"] = {"affinity": cpus, "cpu": cpus[0]}


@corruption("processes die", "processes", (1, 3, 8), "FAILED_PROCESSES")
def died(made: Made, count: float, chance: random.Random) -> None:
    """Out of memory, as the kernel sees it."""
    for process in chance.sample(made.processes, int(count)):
        index, arm = process["index"], process["arm"]
        process.clear()
        process.update(event="failed", index=index, arm=arm, reason="died with SIGKILL", signal=9)
