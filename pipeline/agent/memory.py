"""Resident memory of this process, in KiB, split by what caused it.

Sources: proc(5): smaps_rollup (PSS, anonymous and file-backed), VmHWM, clear_refs; getrusage(2).
A figure the kernel does not give is absent.
"""

from __future__ import annotations

import resource
from typing import Any

RESET_PEAK = "5"
PARTS = {"Rss": "rss", "Pss_Anon": "pss_anonymous", "Pss_File": "pss_file"}


def fields(path: str) -> dict[str, int]:
    """{name: KiB} of a /proc file with `Name:   123 kB` lines; {} when it cannot be read."""
    found = {}
    try:
        with open(path, encoding="ascii") as stream:
            for line in stream:
                name, _, rest = line.partition(":")
                if rest.endswith(" kB\n"):
                    found[name] = int(rest.split()[0])
    except OSError:
        return {}
    return found


def now() -> dict[str, int]:
    """Resident set and proportional set, the latter apart for anonymous and file-backed pages."""
    rollup = fields("/proc/self/smaps_rollup")
    if "Rss" not in rollup:
        return {"rss": fields("/proc/self/status").get("VmRSS", 0)}
    return {short: rollup[name] for name, short in PARTS.items() if name in rollup}


def reset_peak() -> bool:
    """Start VmHWM anew; False where the kernel does not permit it."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as stream:
            stream.write(RESET_PEAK)
    except OSError:
        return False
    return True


def peak() -> int:
    """Highest resident set since the last reset, else of the whole life of the process."""
    high = fields("/proc/self/status").get("VmHWM")
    return high if high is not None else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class Account:
    """Notes memory at each stage of a process's life; the growth is booked to the stage."""

    def __init__(self) -> None:
        self._stages: dict[str, dict[str, int]] = {}
        self._loading: int | None = None
        self._resettable = reset_peak()

    def note(self, stage: str) -> None:
        """Read memory at the end of a stage."""
        self._stages[stage] = now()

    def loaded(self) -> None:
        """End the loading part: its peak is kept apart from the peak while running."""
        self._loading = peak()
        self._resettable = reset_peak() and self._resettable

    def report(self) -> dict[str, Any]:
        """`memory_kib`: growth by stage and `running`, summing to `peak`; `memory`: raw readings.

        Without a reset of VmHWM `peak` covers the loading as well, and `memory.peak_of` says so.
        """
        growth, before = {}, 0
        for stage, reading in self._stages.items():
            growth[stage] = reading["rss"] - before
            before = reading["rss"]
        highest = max(peak(), before)
        kib = {**growth, "running": highest - before, "peak": highest}
        if self._loading is not None:
            kib["load_peak"] = self._loading
        scope = "running" if self._resettable else "process"
        return {"memory_kib": kib, "memory": {"peak_of": scope, "stages": self._stages}}
