"""The board's condition while it measures: at every process's start, and in between in a thread.

Light on purpose: some tens of small reads, only texts that changed are sent, and what the thread
itself cost is told at the end (`watched`). What the texts mean is the host's business.
"""

from __future__ import annotations

import contextlib
import glob
import os
import resource
import threading
import time
from collections.abc import Iterator
from typing import Any

from . import clocks, facts
from .protocol import Channel
from .texts import read

CPUFREQ = "/sys/devices/system/cpu/cpufreq/policy*"
FILES = (
    "/sys/devices/system/cpu/online",
    f"{CPUFREQ}/scaling_governor",
    f"{CPUFREQ}/scaling_cur_freq",
    f"{CPUFREQ}/scaling_min_freq",
    f"{CPUFREQ}/scaling_max_freq",
    f"{CPUFREQ}/stats/time_in_state",
    "/sys/class/thermal/thermal_zone*/temp",
    "/sys/class/thermal/cooling_device*/cur_state",
    "/sys/class/hwmon/hwmon*/in0_lcrit_alarm",
    "/sys/devices/system/cpu/cpu*/thermal_throttle/package_throttle_count",
)
LINES = {
    "/proc/stat": ("cpu ",),
    "/proc/meminfo": ("MemTotal:", "MemAvailable:", "SwapTotal:", "SwapFree:"),
    "/proc/vmstat": ("pswpin ", "pswpout ", "pgmajfault ", "oom_kill "),
}


class Watch:
    """Sends `conditions` events; one of a job."""

    def __init__(self, channel: Channel, root: str, interval_s: float) -> None:
        self._channel, self._root, self._interval_s = channel, root, interval_s
        self._paths = [p for f in FILES for p in sorted(glob.glob(root + f))]
        self._sent: dict[str, str] = {}
        self._lock = threading.Lock()
        self._count = self._cpu_ns = 0

    def boundary(self, index: int) -> None:
        """Tell the condition before the process at `index` of the order, commands included."""
        texts = self._texts()
        for command in facts.COMMANDS:
            said = facts.output(command)
            if said is not None:
                texts[command] = said
        self._send(texts, index)

    @contextlib.contextmanager
    def during(self, measured: list[int] | None) -> Iterator[None]:
        """Read all the while in a thread, which keeps off the `measured` CPUs where it can."""
        ended = threading.Event()
        thread = threading.Thread(target=self._run, args=(ended, measured), name="watch")
        began = time.perf_counter_ns()
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            span = time.perf_counter_ns() - began
            with contextlib.suppress(OSError):
                self._channel.send(
                    "watched", samples=self._count, cpu_ns=self._cpu_ns, span_ns=span
                )

    def _run(self, ended: threading.Event, measured: list[int] | None) -> None:
        _keep_off(measured)
        while not ended.wait(self._interval_s):
            with contextlib.suppress(OSError):
                self._send(self._texts(), None)
            self._count += 1
        self._cpu_ns = time.thread_time_ns()

    def _texts(self) -> dict[str, str]:
        found = {}
        for path in self._paths:
            text = read(path)
            if text is not None:
                found[path[len(self._root) :]] = text
        for path, heads in LINES.items():
            text = read(self._root + path)
            if text is not None:
                kept = [line for line in text.splitlines(True) if line.startswith(heads)]
                found[path] = "".join(kept)
        return found

    def _send(self, texts: dict[str, str], index: int | None) -> None:
        """Send what changed. A text that is gone is sent as null."""
        at: dict[str, Any] = {} if index is None else {"index": index}
        with self._lock:
            changed: dict[str, str | None] = {
                path: text for path, text in texts.items() if self._sent.get(path) != text
            }
            if index is not None:
                changed.update({path: None for path in self._sent if path not in texts})
            gone = [path for path, text in changed.items() if text is None]
            self._sent.update(texts)
            for path in gone:
                self._sent.pop(path)
        self._channel.send(
            "conditions", **at, clocks=clocks.together(), own_cpu_ns=own_cpu_ns(), texts=changed
        )


def own_cpu_ns() -> int:
    """CPU time of the agent and of its workers that have ended (getrusage(2))."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return int(sum(u.ru_utime + u.ru_stime for u in used) * 1e9)


def _keep_off(cpus: list[int] | None) -> None:
    """Move this thread to the CPUs that are not measured, where there are any."""
    with contextlib.suppress(OSError):
        others = os.sched_getaffinity(0) - set(cpus or [])
        if cpus and others:
            os.sched_setaffinity(0, others)
