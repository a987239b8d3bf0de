"""A socket that tells when the other end has fallen silent, so that no wait is without a bound.

paramiko's keepalive asks for no answer and most of its waits have no limit: in a black hole they
hang for as long as TCP retries. Here the one place where bytes arrive ends the connection.
"""

from __future__ import annotations

import contextlib
import errno
import threading
import time
from typing import Any

import paramiko

from pipeline.progress import watcher

PROBE_S = 2.0
ANSWER_S = 6.0


class Wire:
    """What paramiko needs of a socket, around a socket or around the channel of a jump."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._heard = time.monotonic()
        self._due: float | None = None
        self._closed = False  # paramiko looks at a socket's own
        self._watcher = watcher()  # of the thread that connects; paramiko's own has none

    def recv(self, size: int) -> bytes:
        """Bytes that came. Raises TimeoutError (paramiko asks again), OSError when it is dead."""
        try:
            data: bytes = self._inner.recv(size)
        except TimeoutError:
            self._check()
            raise
        if data:  # the end of a line is no answer
            self._heard, self._due = time.monotonic(), None
            if self._watcher:
                self._watcher.alive()
        return data

    def send(self, data: bytes) -> int:
        """Send what fits. Raises as recv does: in a black hole the buffers are full first."""
        try:
            return int(self._inner.send(data))
        except TimeoutError:
            self._check()
            raise

    def settimeout(self, timeout_s: float) -> None:
        """Bound of each single recv and send."""
        self._inner.settimeout(timeout_s)

    def close(self) -> None:
        """End it. A jump's channel says goodbye, to a jump that may be gone: no matter."""
        self._closed = True
        with contextlib.suppress(EOFError, OSError, paramiko.SSHException):
            self._inner.close()

    def silent_s(self) -> float:
        """Since when nothing has come."""
        return time.monotonic() - self._heard

    def ask(self) -> None:
        """From now on an answer is due: a pause of this machine is no silence of the other."""
        if self._due is None:
            self._due = time.monotonic() + ANSWER_S

    @property
    def dead(self) -> bool:
        """Whether the answer is overdue."""
        due = self._due
        return due is not None and time.monotonic() > due

    def _check(self) -> None:
        # Not ETIMEDOUT: Python makes that a TimeoutError, which paramiko takes for "ask again".
        if self.dead:
            raise ConnectionAbortedError(errno.ECONNABORTED, "no answer")


class Prober:
    """Asks the server for a sign of life whenever nothing has come for a while."""

    def __init__(self, transport: paramiko.Transport, wire: Wire) -> None:
        self._transport, self._wire = transport, wire
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ssh-probe", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(PROBE_S / 2) and self._transport.is_active():
            if self._wire.silent_s() >= PROBE_S:
                self._wire.ask()
                try:
                    self._transport.global_request("keepalive@openssh.com", wait=True)
                except (OSError, EOFError, paramiko.SSHException):
                    return

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
