"""One worker process: started fresh, watched, and ended; its death is an event, never ours."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import IO, Any

from .protocol import Channel, Event

TAIL_BYTES = 4000
CHUNK = 1 << 16
RESULTS = ("process", "block", "outputs", "inspected", "checked")


class Watch:
    """Reads a worker's events and the tail of its stderr until it closes both, or falls silent."""

    def __init__(self, events: int, stderr: int, timeout_s: float) -> None:
        self.tail = b""
        self.timed_out = False
        self._timeout_s = timeout_s
        self._partial = b""
        self._events = events
        self._selector = selectors.DefaultSelector()
        for fd in (events, stderr):
            self._selector.register(fd, selectors.EVENT_READ)

    def lines(self) -> Iterator[Event]:
        """Yield events; stop at the end of both streams or after `timeout_s` without an event."""
        with self._selector:
            yield from self._until_the_end()

    def _until_the_end(self) -> Iterator[Event]:
        deadline = time.monotonic() + self._timeout_s
        while self._selector.get_map():
            for key, _ in self._selector.select(max(0.0, deadline - time.monotonic())):
                data = os.read(key.fd, CHUNK)
                if not data:
                    self._selector.unregister(key.fd)
                elif key.fd == self._events:
                    deadline = time.monotonic() + self._timeout_s
                    yield from self._parse(data)
                else:
                    self.tail = (self.tail + data)[-TAIL_BYTES:]
            if time.monotonic() >= deadline:
                self.timed_out = True
                return

    def _parse(self, data: bytes) -> Iterator[Event]:
        *whole, self._partial = (self._partial + data).split(b"\n")
        for line in whole:
            yield json.loads(line)


def run(index: int, task: dict[str, Any], channel: Channel) -> None:
    """Run one worker and forward its events; send `failed` when it gave no result."""
    with started(task) as (child, events):
        assert child.stderr is not None
        watch = Watch(events, child.stderr.fileno(), task["process_timeout_s"])
        finished, reason = False, None
        for event in watch.lines():
            name = event.pop("event")
            finished |= name in RESULTS
            if name == "failed":
                reason = event["reason"]
            else:
                channel.send(name, index=index, arm=task["arm"], **event)
        if not finished:
            status = None if watch.timed_out else child.wait()
            _fail(index, task, reason or _reason(status, task), status, watch, channel)


def _fail(
    index: int,
    task: dict[str, Any],
    reason: str,
    status: int | None,
    watch: Watch,
    channel: Channel,
) -> None:
    """Tell what became of the worker, with what it last said."""
    number = -status if status is not None and status < 0 else None
    tail = watch.tail.decode(errors="replace").strip()
    channel.send("failed", index=index, arm=task["arm"], reason=reason, signal=number, stderr=tail)


def _reason(status: int | None, task: dict[str, Any]) -> str:
    """One line on a worker that ended, or hung, without saying why."""
    if status is None:
        return f"no result within {task['process_timeout_s']} s, ended"
    runtime = task.get("runtime", "the runtime")
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"{runtime} died with {signal.Signals(-status).name}"
        return f"{runtime} died with signal {-status}"
    return f"{runtime} left with exit code {status}"


@contextlib.contextmanager
def started(task: dict[str, Any]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A worker in its own session, given its task; whatever is left of its group is killed."""
    reading, writing = os.pipe()
    try:
        try:
            child = _spawn(writing)
        finally:
            os.close(writing)
        try:
            _hand_over(child.stdin, task)
            yield child, reading
        finally:
            _kill(child)
    finally:
        os.close(reading)


def _spawn(fd: int) -> subprocess.Popen[bytes]:
    """Start ourselves again as a worker: the same interpreter, the same zipapp."""
    command = [sys.executable, "-I", os.path.abspath(sys.argv[0])]
    return subprocess.Popen(
        [*command, "--fd", str(fd), "--worker", str(os.getpid())],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=[fd],
        start_new_session=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )


def _hand_over(stdin: IO[bytes] | None, task: dict[str, Any]) -> None:
    assert stdin is not None
    with contextlib.suppress(BrokenPipeError), stdin:
        stdin.write(json.dumps(task).encode())


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the worker and its group, and reap it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stderr is not None:
        child.stderr.close()
