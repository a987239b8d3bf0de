"""This machine as a board: commands are child processes in a group of their own."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pipeline.board.transport import Completed
from pipeline.errors import BoardUnreachable, Refused

TAIL_BYTES = 4000
CHUNK = 1 << 16


class LocalStream:
    """A child process; its stderr goes to an unnamed file, so that it can never block on it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed by finish)
        try:
            self._child = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                start_new_session=True,
            )
        except OSError as problem:
            self._stderr.close()
            raise _cannot_start(command, problem) from None
        self._partial = b""
        self._tail = ""
        self._lines: list[bytes] = []

    def read_line(self, timeout_s: float) -> bytes | None:
        """Next line of stdout; None at its end. Raises TimeoutError."""
        assert self._child.stdout is not None
        fd, deadline = self._child.stdout.fileno(), time.monotonic() + timeout_s
        while not self._lines:
            if not _readable(fd, deadline - time.monotonic()):
                raise TimeoutError
            data = os.read(fd, CHUNK)
            if not data:
                return None
            *whole, self._partial = (self._partial + data).split(b"\n")
            self._lines.extend(whole)
        return self._lines.pop(0)

    def write(self, data: bytes) -> None:
        """Send bytes to the child's stdin. Raises BrokenPipeError."""
        assert self._child.stdin is not None
        self._child.stdin.write(data)
        self._child.stdin.flush()

    def finish(self, grace_s: float) -> int:
        """Ask by closing stdin, then by SIGTERM, then end the whole group; nothing stays behind."""
        try:
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
            self._wait(grace_s)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
            self._tail = self.stderr_tail()
            self._stderr.close()
        return self._child.returncode

    def _wait(self, grace_s: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(grace_s)
            return
        self._child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(grace_s)

    def stderr_tail(self) -> str:
        """The last of what the child said on stderr."""
        if self._stderr.closed:
            return self._tail
        fd = self._stderr.fileno()
        start = max(0, os.fstat(fd).st_size - TAIL_BYTES)
        return os.pread(fd, TAIL_BYTES, start).decode(errors="replace").strip()


class Local:
    """The transport to this machine."""

    def exec(self, command: Sequence[str], *, timeout_s: float) -> Completed:
        """Run a command to its end. Raises BoardUnreachable: not there, or silent too long."""
        try:
            child = subprocess.Popen(
                list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )  # fmt: skip
        except OSError as problem:
            raise _cannot_start(command, problem) from None
        with child:
            try:
                stdout, stderr = _outputs(child, timeout_s)
            except BaseException:
                child.kill()
                raise
        return Completed(child.returncode, stdout, stderr)

    def stream(self, command: Sequence[str]) -> LocalStream:
        """Start a command with which a session talks."""
        return LocalStream(command)

    def put(self, data: bytes, path: PurePosixPath, *, offset: int) -> None:
        """Write bytes at an offset of a file, making it when it is missing."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(target, os.O_WRONLY | os.O_CREAT, 0o644)
        with os.fdopen(fd, "wb") as stream:
            stream.seek(offset)
            stream.write(data)
            stream.flush()
            os.fsync(fd)

    def fetch(self, path: PurePosixPath) -> bytes:
        """Read a file. Raises Refused."""
        try:
            return Path(path).read_bytes()
        except OSError as problem:
            fix = "see that it is there and that you may read it"
            raise Refused(problem.strerror or str(problem), where=path, fix=fix) from None

    def close(self) -> None:
        """Nothing to end: there is no connection."""


def _outputs(child: subprocess.Popen[bytes], silence_s: float) -> tuple[bytes, bytes]:
    """All that a child says. Raises BoardUnreachable: nothing came from it for too long."""
    heard = 0
    while True:
        try:
            return child.communicate(timeout=silence_s)
        except subprocess.TimeoutExpired as so_far:
            if len(so_far.output or b"") <= heard:
                what = f"no end within {silence_s:g} s"
                raise BoardUnreachable(what, where="sh", fix="see what holds it up") from None
            heard = len(so_far.output or b"")


def _readable(fd: int, timeout_s: float) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        return bool(selector.select(max(0.0, timeout_s)))


def _cannot_start(command: Sequence[str], problem: OSError) -> BoardUnreachable:
    reason = problem.strerror or str(problem)
    return BoardUnreachable(
        f"cannot be started: {reason}", where=command[0], fix="name a program that is there"
    )
