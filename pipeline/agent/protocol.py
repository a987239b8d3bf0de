"""The wire: JSON lines on a private descriptor, so that no library's print can corrupt it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import sys
import threading
import time
from typing import Any

from . import cancel

MAGIC = "secateur-agent"
PROTOCOL = 1
HEARTBEAT_S = 1.0

Event = dict[str, Any]


class Channel:
    """Sends events, one JSON object a line, whole even when threads send at once."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def send(self, event: str, **fields: Any) -> None:
        """Write one event. Raises BrokenPipeError when the other end has gone."""
        line = json.dumps({"event": event, **fields}, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._fd, line) :]


def claim(fd: int) -> int:
    """Keep descriptor `fd` for ourselves and send what C libraries print on stdout to stderr.

    Returns the private, non-inheritable duplicate. `fd` may be 1: stdout itself becomes the wire.
    """
    private = os.dup(fd)
    if fd > 2:
        os.close(fd)
    os.dup2(2, 1)
    return private


def hello(channel: Channel) -> None:
    """Say who answers: the host checks magic, protocol and the hash of the code that runs."""
    channel.send(
        "hello",
        magic=MAGIC,
        protocol=PROTOCOL,
        agent=own_digest(),
        python=platform.python_version(),
        pid=os.getpid(),
    )


def own_digest() -> str | None:
    """sha256 of the zipapp that runs, None when the code runs from a folder."""
    try:
        with open(sys.argv[0], "rb") as stream:
            data = stream.read()
    except OSError:
        return None
    return hashlib.sha256(data).hexdigest() if data.startswith(b"PK") else None


def answer(channel: Channel, line: str) -> None:
    """Tell the time for `ping NUMBER`: the host works out how our clock lies to its own."""
    word, _, number = line.partition(" ")
    if word == "ping":
        t_ns = time.perf_counter_ns()
        with contextlib.suppress(OSError):
            channel.send("pong", ping=number, t_ns=t_ns)


def start_heartbeat(channel: Channel) -> None:
    """Show about once a second that this end lives; a host that no longer reads ends the job."""

    def beat() -> None:
        pause = threading.Event()
        while not pause.wait(HEARTBEAT_S):
            try:
                channel.send("heartbeat")
            except OSError:
                cancel.now()
                return

    threading.Thread(target=beat, name="heartbeat", daemon=True).start()
