"""The core's real clock, measured: a chain of additions, each of which waits for the one before.

One dependent register-to-register ADD takes one cycle on every application core since the Arm11
and the Pentium (Arm software optimisation guides, "Arithmetic, basic: latency 1"; Fog, Instruction
tables), so their number over the time they took is the clock, without privileges or cpufreq.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import struct
import sys
from collections.abc import Callable
from time import perf_counter_ns

ADDS = 64
LOOPS = 2000
RUNS = 7
FAILED = ctypes.c_void_p(-1).value
Chain = Callable[[int, int], int]


def _x86_64() -> bytes:
    """add rax, rsi (64 times); dec rdi; jnz; ret: arguments in rdi and rsi."""
    body = b"\x48\x01\xf0" * ADDS + b"\x48\xff\xcf"
    return body + b"\x0f\x85" + struct.pack("<i", -len(body) - 6) + b"\xc3"


def _aarch64() -> bytes:
    """add x2, x2, x1 (64 times); subs x0, x0, #1; b.ne; ret: arguments in x0 and x1."""
    back = (-(ADDS + 1)) & 0x7FFFF
    words = [0x8B010042] * ADDS + [0xF1000400, 0x54000001 | back << 5, 0xD65F03C0]
    return struct.pack(f"<{len(words)}I", *words)


def _arm() -> bytes:
    """add r2, r2, r1 (64 times); subs r0, r0, #1; bne; bx lr: arguments in r0 and r1."""
    back = (-(ADDS + 3)) & 0xFFFFFF
    words = [0xE0822001] * ADDS + [0xE2500001, 0x1A000000 | back, 0xE12FFF1E]
    return struct.pack(f"<{len(words)}I", *words)


CODE = {"x86_64": _x86_64, "aarch64": _aarch64, "armv7l": _arm, "armv6l": _arm}


def chain() -> Chain | None:
    """The chain as a function of (loops, addend); None where it cannot be had.

    The code goes through a file in memory, which is mapped to be read and run only: the kernel then
    makes the instruction cache see it, and no page is both written and run.
    """
    machine = platform.machine()
    if sys.maxsize < 2**32 and machine == "aarch64":
        machine = "armv7l"  # a 32-bit program on a 64-bit kernel
    if machine not in CODE:
        return None
    try:
        page = _mapped(CODE[machine]())
    except (OSError, ValueError):
        return None
    kind = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t)
    return kind(page)


def _mapped(code: bytes) -> int:
    """Address of `code`, which stays mapped to the end of the process. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    fd = os.memfd_create("cycles")
    try:
        os.write(fd, code)
        page = libc.mmap(None, len(code), mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE, fd, 0)
    finally:
        os.close(fd)
    if page is None or page == FAILED:
        raise OSError(ctypes.get_errno(), "mmap")
    return int(page)


def clock_mhz(function: Chain | None) -> float | None:
    """The clock of the core we run on, by the fastest of a few short runs: noise only slows."""
    if function is None:
        return None
    function(LOOPS, 1)
    spent = []
    for _ in range(RUNS):
        begin = perf_counter_ns()
        function(LOOPS, 1)
        spent.append(perf_counter_ns() - begin)
    fastest = min(spent)
    return round(LOOPS * ADDS / fastest * 1000, 1) if fastest > 0 else None
