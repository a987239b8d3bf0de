"""What a board's texts say of one moment: the part of its state that moves while it measures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.board import facts
from pipeline.board.facts import Texts, Throttled

TICK_NS = 10_000_000
"""USER_HZ is 100 on every Linux architecture that we know: /proc/stat and time_in_state."""

ALARM = re.compile(r"/sys/class/hwmon/(hwmon\d+)/in0_lcrit_alarm")
COOLER = re.compile(r"/sys/class/thermal/(cooling_device\d+)/cur_state")
THROTTLES = re.compile(r"/sys/devices/system/cpu/cpu\d+/thermal_throttle/package_throttle_count")
FIXED = ("/proc/cpuinfo", "/etc/os-release")
"""What never moves, and is long."""
HOLDS_CLOCK = re.compile(r"cpufreq|processor", re.IGNORECASE)


@dataclass(frozen=True)
class Moment:
    """A board's state when the agent looked. Empty and None mean: the board does not tell.

    `when`: before or after the session, at a process's boundary (`index` is the position of the one
    that came next), or during one. kHz by cpufreq policy;
    ticks of 10 ms; `clocks` are the system's clocks in ns by name.
    """

    when: str = "during"
    index: int | None = None
    clocks: Mapping[str, int] = field(default_factory=dict)
    own_cpu_ns: int | None = None
    governors: Mapping[str, str] = field(default_factory=dict)
    khz: Mapping[str, int] = field(default_factory=dict)
    least_khz: Mapping[str, int] = field(default_factory=dict)
    most_khz: Mapping[str, int] = field(default_factory=dict)
    hardware_khz: Mapping[str, int] = field(default_factory=dict)
    states: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    temperature_c: Mapping[str, float] = field(default_factory=dict)
    cooling: Mapping[str, int] = field(default_factory=dict)
    throttles: int | None = None
    throttled: Throttled | None = None
    under_voltage: bool | None = None
    online: str | None = None
    busy_ticks: int | None = None
    idle_ticks: int | None = None
    steal_ticks: int | None = None
    memory_total_kib: int | None = None
    memory_available_kib: int | None = None
    swap_used_kib: int | None = None
    swapped_pages: int | None = None

    @property
    def t_ns(self) -> int | None:
        """When, on the clock of the samples."""
        return self.clocks.get("monotonic_ns")


def moments(events: Iterable[Mapping[str, Any]]) -> list[Moment]:
    """All looks at the board in the order of the events; what did not change was not sent again."""
    texts: dict[str, str] = {}
    found = []
    for event in events:
        if event["event"] not in ("facts", "conditions"):
            continue
        for path, text in event.get("texts", {}).items():
            if text is None:
                texts.pop(path, None)
            else:
                texts[path] = text
        found.append(moment(texts, event))
    return found


def moment(texts: Texts, event: Mapping[str, Any]) -> Moment:
    """One look. Without `clocks` (an older agent) there are the two that `facts` always told."""
    known = facts.parse({path: text for path, text in texts.items() if path not in FIXED})
    cpu = _cpu_ticks(texts.get("/proc/stat", ""))
    vm = _counters(texts.get("/proc/vmstat", ""))
    swapped = [vm[name] for name in ("pswpin", "pswpout") if name in vm]
    at = "during" if event.get("index") is None else "boundary"
    return Moment(
        when=event.get("when", at),
        index=event.get("index"),
        clocks=event.get("clocks") or _two_clocks(event),
        own_cpu_ns=event.get("own_cpu_ns"),
        governors=known.governors,
        khz=_khz(texts, "scaling_cur_freq"),
        least_khz=_khz(texts, "scaling_min_freq"),
        most_khz=_khz(texts, "scaling_max_freq"),
        hardware_khz=_khz(texts, "cpuinfo_max_freq"),
        states=known.time_in_state,
        temperature_c=known.temperature_c,
        cooling=_cooling(texts),
        throttles=_throttles(texts),
        throttled=known.throttled,
        under_voltage=_under_voltage(texts),
        online=texts.get("/sys/devices/system/cpu/online", "").strip() or None,
        busy_ticks=None if cpu is None else sum(cpu) - sum(cpu[3:5]) - sum(cpu[7:8]),
        idle_ticks=None if cpu is None else sum(cpu[3:5]),
        steal_ticks=None if cpu is None or len(cpu) < 8 else cpu[7],
        memory_total_kib=known.memory_total_kib,
        memory_available_kib=known.memory_available_kib,
        swap_used_kib=known.swap_used_kib,
        swapped_pages=sum(swapped) if swapped else None,
    )


def states_in(texts: Texts) -> dict[str, dict[int, int]]:
    """{policy: {kHz: ticks}} of the `time_in_state` texts among these."""
    return {name: dict(rows) for name, rows in facts.parse(texts).time_in_state.items()}


def _two_clocks(event: Mapping[str, Any]) -> dict[str, int]:
    if event.get("t_ns") is None or event.get("time_s") is None:
        return {}
    return {"monotonic_ns": int(event["t_ns"]), "realtime_ns": round(event["time_s"] * 1e9)}


def _khz(texts: Texts, name: str) -> dict[str, int]:
    found = facts.policies(texts, name)
    return {policy: int(text) for policy, text in found if text.strip().isdigit()}


def _cooling(texts: Texts) -> dict[str, int]:
    """State of each cooler that holds the clock down (0: it does not), by its name.

    A fan is a cooler as well, and no harm; the kernel's thermal documentation, cooling_device.
    """
    found = {}
    for path, text in texts.items():
        match = COOLER.fullmatch(path)
        if match and text.strip().isdigit():
            kind = texts.get(path.replace("cur_state", "type"), "").strip()
            if HOLDS_CLOCK.search(kind):
                found[f"{kind} ({match[1]})"] = int(text)
    return found


def _throttles(texts: Texts) -> int | None:
    """How often the hottest x86 package was throttled since its start."""
    counts = [int(t) for p, t in texts.items() if THROTTLES.fullmatch(p) and t.strip().isdigit()]
    return max(counts) if counts else None


def _under_voltage(texts: Texts) -> bool | None:
    """The alarm of the `rpi_volt` driver (bit 0 of the firmware's word), by its name."""
    for path, text in texts.items():
        match = ALARM.fullmatch(path)
        if match and texts.get(f"/sys/class/hwmon/{match[1]}/name", "").strip() == "rpi_volt":
            return text.strip() == "1"
    return None


def _cpu_ticks(stat: str) -> list[int] | None:
    """user nice system idle iowait irq softirq steal of all CPUs together (proc(5), stat)."""
    line = re.search(r"^cpu +([\d ]+)$", stat, re.MULTILINE)
    if line is None:
        return None
    ticks = [int(part) for part in line[1].split()][:8]
    return ticks if len(ticks) >= 5 else None


def _counters(vmstat: str) -> dict[str, int]:
    rows = (line.split() for line in vmstat.splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
