"""What a board's raw texts mean: typed facts, each None where the board does not tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

Texts = Mapping[str, str]

POLICY = re.compile(r"/sys/devices/system/cpu/cpufreq/(policy\d+)/")
ZONE = re.compile(r"/sys/class/thermal/(thermal_zone\d+)/temp")
THROTTLED = re.compile(r"throttled=0x([0-9a-fA-F]+)")
STICKY_SHIFT = 16

# Part numbers of MIDR_EL1 for implementer 0x41 (Arm technical reference manuals).
ARM_PARTS = {
    0xB76: "ARM1176",
    0xC07: "Cortex-A7",
    0xD03: "Cortex-A53",
    0xD04: "Cortex-A35",
    0xD05: "Cortex-A55",
    0xD07: "Cortex-A57",
    0xD08: "Cortex-A72",
    0xD09: "Cortex-A73",
    0xD0A: "Cortex-A75",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1",
    0xD0D: "Cortex-A77",
    0xD41: "Cortex-A78",
    0xD42: "Cortex-A78AE",
}


@dataclass(frozen=True)
class Throttled:
    """Bits of `vcgencmd get_throttled` (Raspberry Pi documentation), now and since boot.

    `sticky` tells of an excursion between two readings that the live bits have forgotten.
    """

    word: int

    NAMES = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")

    @property
    def now(self) -> tuple[str, ...]:
        """Conditions that hold at the reading."""
        return self._named(self.word)

    @property
    def sticky(self) -> tuple[str, ...]:
        """Conditions that held at some time since boot."""
        return self._named(self.word >> STICKY_SHIFT)

    def since(self, before: Throttled) -> tuple[str, ...]:
        """Conditions that hold now or became sticky since an earlier reading."""
        return self._named(self.word | ((self.word ^ before.word) >> STICKY_SHIFT))

    def _named(self, bits: int) -> tuple[str, ...]:
        return tuple(name for i, name in enumerate(self.NAMES) if bits >> i & 1)


@dataclass(frozen=True)
class Facts:
    """A board's state at one moment. Empty mappings and None mean: the board does not tell."""

    board: str | None
    cpu_model: str | None
    cpus: int | None
    os_name: str | None
    kernel: str | None
    machine: str | None
    governors: Mapping[str, str]
    clock_mhz: Mapping[str, float]
    time_in_state: Mapping[str, Mapping[int, int]]
    temperature_c: Mapping[str, float]
    load_1min: float | None
    memory_total_kib: int | None
    memory_available_kib: int | None
    swap_used_kib: int | None
    steal_ticks: int | None
    throttled: Throttled | None


def parse(texts: Texts) -> Facts:
    """Facts from the texts of one `facts` event; what cannot be read is left out."""
    uname = texts.get("uname", "").split()
    memory = _kib(texts.get("/proc/meminfo", ""))
    return Facts(
        board=_board(texts),
        cpu_model=cpu_model(texts.get("/proc/cpuinfo", "")),
        cpus=len(_column(texts.get("/proc/cpuinfo", ""), "processor")) or None,
        os_name=_os_name(texts.get("/etc/os-release", "")),
        kernel=uname[2] if len(uname) > 2 else None,
        machine=uname[-1] if uname else None,
        governors={p: t.strip() for p, t in policies(texts, "scaling_governor")},
        clock_mhz=_clocks(texts),
        time_in_state={p: _states(t) for p, t in policies(texts, "stats/time_in_state")},
        temperature_c=_temperatures(texts),
        load_1min=_number(texts.get("/proc/loadavg", "").partition(" ")[0]),
        memory_total_kib=memory.get("MemTotal"),
        memory_available_kib=memory.get("MemAvailable"),
        swap_used_kib=_difference(memory.get("SwapTotal"), memory.get("SwapFree")),
        steal_ticks=_steal(texts.get("/proc/stat", "")),
        throttled=throttled(texts.get("vcgencmd get_throttled", "")),
    )


def cpu_model(cpuinfo: str) -> str | None:
    """Model name, or on Arm the names of the cores' parts, most of them first come."""
    names = _column(cpuinfo, "model name")
    if names and "ARMv" not in names[0]:
        return names[0]
    parts = [_part(text) for text in _column(cpuinfo, "CPU part")]
    known = list(dict.fromkeys(part for part in parts if part))
    return " + ".join(known) or (names[0] if names else None)


def throttled(text: str) -> Throttled | None:
    """`throttled=0x50000` as bits; None for anything else."""
    found = THROTTLED.search(text)
    return Throttled(int(found.group(1), 16)) if found else None


def _part(text: str) -> str | None:
    try:
        number = int(text, 16)
    except ValueError:
        return None
    return ARM_PARTS.get(number, f"Arm part {number:#x}")


def _board(texts: Texts) -> str | None:
    """The device tree's model (it ends with a NUL), else the product name of the firmware."""
    tree = texts.get("/proc/device-tree/model", "").strip("\0\n ")
    return tree or texts.get("/sys/class/dmi/id/product_name", "").strip() or None


def _os_name(release: str) -> str | None:
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)"?$', release, re.MULTILINE)
    return found.group(1) if found else None


def _clocks(texts: Texts) -> dict[str, float]:
    """MHz by cpufreq policy; without cpufreq what /proc/cpuinfo says for each CPU."""
    told = {p: _number(t) for p, t in policies(texts, "scaling_cur_freq")}
    clocks = {p: khz / 1000 for p, khz in told.items() if khz}
    if clocks:
        return clocks
    values = [_number(text) for text in _column(texts.get("/proc/cpuinfo", ""), "cpu MHz")]
    return {f"cpu{i}": mhz for i, mhz in enumerate(values) if mhz}


def _temperatures(texts: Texts) -> dict[str, float]:
    """Degrees Celsius by zone type; a second zone of a type keeps its number."""
    found: dict[str, float] = {}
    for path, text in texts.items():
        match, milli = ZONE.fullmatch(path), _number(text)
        if match and milli is not None:
            kind = texts.get(path.replace("/temp", "/type"), "").strip() or match.group(1)
            found[f"{kind} {match.group(1)}" if kind in found else kind] = milli / 1000
    return found


def policies(texts: Texts, name: str) -> list[tuple[str, str]]:
    """[(policy, text)] of one cpufreq file."""
    found = ((POLICY.match(path), path, text) for path, text in texts.items())
    return [(m.group(1), text) for m, path, text in found if m and path[m.end() :] == name]


def _states(text: str) -> dict[int, int]:
    """{kHz: ticks of 10 ms} of `time_in_state`."""
    rows = (line.split() for line in text.splitlines())
    return {int(r[0]): int(r[1]) for r in rows if len(r) == 2 and r[0].isdigit() and r[1].isdigit()}


def _kib(meminfo: str) -> dict[str, int]:
    found = re.findall(r"^(\w+):\s+(\d+) kB$", meminfo, re.MULTILINE)
    return {name: int(value) for name, value in found}


def _column(text: str, name: str) -> list[str]:
    """Values of every `name : value` line."""
    return re.findall(rf"^{re.escape(name)}[ \t]*: ?(.*\S)[ \t]*$", text, re.MULTILINE)


def _steal(stat: str) -> int | None:
    """Ticks that a hypervisor took from us (eighth figure of the `cpu` line, proc(5))."""
    words = stat.split()
    known = len(words) > 8 and words[0] == "cpu" and words[8].isdigit()
    return int(words[8]) if known else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _difference(total: int | None, free: int | None) -> int | None:
    return None if total is None or free is None else total - free
