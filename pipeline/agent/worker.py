"""A worker process: one model in one runtime, from a clean interpreter to its figures."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from .protocol import Channel

PR_SET_PDEATHSIG = 1
FAILED = 1

Task = dict[str, Any]


def main(channel: Channel, parent: int) -> int:
    """Read the task, do it, send its events. Any exception becomes `failed` with its reason."""
    die_with(parent)
    task = json.loads(sys.stdin.buffer.read())
    try:
        pin(task["affinity"])
        sys.path[:0] = task["site"]
        check_readable(task["model"])
        _job(task["job"])(task, channel)
    except Exception as problem:
        traceback.print_exc()
        channel.send("failed", reason=one_line(problem))
        return FAILED
    return 0


def _job(name: str) -> Callable[[Task, Channel], None]:
    """Import only the job that runs, so that the others weigh nothing in its memory figures."""
    if name == "measure":
        from .measure import measure as job
    elif name == "draw":
        from .draw import draw as job
    elif name == "evaluate":
        from .evaluate import evaluate as job
    elif name == "check":
        from .check import check as job
    else:
        from .inspection import inspect as job
    return job


def die_with(parent: int) -> None:
    """Have the kernel end us when the agent ends, even by kill -9 (prctl(2), Linux)."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(FAILED)


def pin(cpus: list[int] | None) -> None:
    """Stay on these CPUs, before any library makes its threads. Raises ValueError."""
    if cpus is None:
        return
    try:
        os.sched_setaffinity(0, cpus)
    except OSError:
        there = sorted(os.sched_getaffinity(0))
        raise ValueError(f"affinity {cpus}: the CPUs to choose from are {there}") from None


def check_readable(path: str) -> None:
    """Raise OSError with the reason, which the runtimes keep to themselves."""
    with open(path, "rb"):
        pass


def one_line(problem: Exception) -> str:
    """What happened, for an event; the traceback is in the tail of stderr."""
    if isinstance(problem, OSError) and problem.filename:
        return f"{problem.filename}: {problem.strerror}"
    if isinstance(problem, ModuleNotFoundError):
        return f"{sys.executable} has no module {problem.name}"
    text = " ".join(str(problem).split()) or "no message"
    return text if isinstance(problem, ValueError) else f"{type(problem).__name__}: {text}"
