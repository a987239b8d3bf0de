"""Cycles of the calling thread over a stretch of time, from the CPU's own counter.

perf_event_open(2): user-space cycles need `perf_event_paranoid` at 2 or below and a counter that
the machine shows (many virtual machines show none). None, never 0, where it cannot be had.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct

CALLS = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "armv7l": 364, "armv6l": 364}
HARDWARE, CYCLES = 0, 0
ATTR_BYTES = 64  # PERF_ATTR_SIZE_VER0
TIMES = 0x1 | 0x2  # total time enabled, total time running
NO_KERNEL = 1 << 5 | 1 << 6  # exclude_kernel, exclude_hv
CLOEXEC = 8


class Cycles:
    """Counts from its making on; `mhz` says how fast the core ran while this thread ran."""

    def __init__(self) -> None:
        self._fd = _opened()
        self._from = self._read()

    def mhz(self) -> float | None:
        """Mean clock since then, while the thread was on a core; without the kernel's cycles
        where those may not be counted, which makes it a little less."""
        now = self._read()
        if now is None or self._from is None:
            return None
        cycles, running = now[0] - self._from[0], now[1] - self._from[1]
        return round(cycles / running * 1000, 1) if cycles > 0 and running > 0 else None

    def close(self) -> None:
        """Give the counter back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read(self) -> tuple[int, int] | None:
        if self._fd < 0:
            return None
        try:
            value, _, running = struct.unpack("=QQQ", os.read(self._fd, 24))
        except (OSError, struct.error):
            return None
        return value, running


def _opened() -> int:
    """Descriptor of the counter; -1 where there is none."""
    number = CALLS.get(platform.machine())
    if number is None:
        return -1
    call = ctypes.CDLL(None).syscall
    call.restype = ctypes.c_long
    own, any_cpu, no_group = (ctypes.c_long(n) for n in (0, -1, -1))
    fd = -1
    for excluded in (0, NO_KERNEL):
        head = struct.pack("=IIQQQQQ", HARDWARE, ATTR_BYTES, CYCLES, 0, 0, TIMES, excluded)
        attr = ctypes.create_string_buffer(head.ljust(ATTR_BYTES, b"\0"), ATTR_BYTES)
        fd = int(call(ctypes.c_long(number), attr, own, any_cpu, no_group, ctypes.c_long(CLOEXEC)))
        if fd >= 0:
            break
    return fd
