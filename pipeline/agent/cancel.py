"""Stopping early: a signal, a line that says "cancel", or a host that is gone."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable
from types import FrameType


class Cancelled(BaseException):
    """Raised in the main thread, so that `finally` blocks end children and restore settings."""


def on_signals() -> None:
    """Make SIGTERM, SIGHUP and SIGINT raise Cancelled once; later ones do not cut the cleanup."""

    def cancelled(number: int, _: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)
        raise Cancelled(signal.Signals(number).name)

    for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(each, cancelled)


def now() -> None:
    """Cancel from any thread: the main thread is woken wherever it waits."""
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, signal.SIGTERM)


def on_stdin(answer: Callable[[str], None]) -> None:
    """Treat the line "cancel" or the end of stdin as SIGTERM: the host asks, or is dead.

    Any other line, such as "ping 7", goes to `answer`, at once: the host takes the time by it.
    """

    def watch() -> None:
        rest = b""
        while True:
            select.select([0], [], [])
            chunk = os.read(0, 4096)
            *lines, rest = (rest + chunk).split(b"\n")
            if not chunk or b"cancel" in lines:
                break
            for line in lines:
                answer(line.decode(errors="replace"))
        now()

    threading.Thread(target=watch, name="stdin", daemon=True).start()


def read_line() -> bytes:
    """First line of stdin, unbuffered, so that nothing after it is swallowed."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            break
        line += byte
    return bytes(line)
