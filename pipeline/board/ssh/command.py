"""A command on the board, in a process group of its own that never outlives its end."""

from __future__ import annotations

import contextlib
import re
import shlex
import signal
import threading
import time
from collections.abc import Sequence

import paramiko

from pipeline.board.ssh.client import Connection
from pipeline.errors import BoardUnreachable

CHUNK = 1 << 16
TAIL_BYTES = 4000
START_S = 12.0
STALL_S = 10.0
KILL_S = 2.0
POLL_S = 0.2
NOTICE_S = 0.5
# The first shell of a session leads its group under OpenSSH; elsewhere setsid makes it so. It
# outlives what was asked for, and tells its status (paramiko loses it when it was a signal). What
# a login shell's own files print comes before the first line.
SUPERVISE = (
    'read -r _ _ _ _ group _ <"/proc/$$/stat"; '
    '[ "${group:-$$}" = $$ ] || exec setsid sh -c "$1" "$0" "$@"; shift; '
    "trap : HUP INT TERM PIPE; "
    'echo "secateur-group $$"; "$@"; echo "secateur-status $?" >&2'
)
END_GROUP = "; kill -s KILL 0"
GROUP = re.compile(rb"secateur-group (\d+)$")
STATUS = re.compile(rb"secateur-status (\d+)\n")
LINE_LOST = -signal.SIGHUP


class RemoteCommand:
    """One command that runs; its stderr is read beside, so that it can never block on it.

    With `end_group` the board's shell itself ends what the command leaves in its group, also when
    the connection is gone by then; without it a service that the command starts may stay.
    """

    def __init__(
        self, connection: Connection, command: Sequence[str], *, end_group: bool = False
    ) -> None:
        self._connection = connection
        self._partial = b""
        self._lines: list[bytes] = []
        self._ended = False
        self._stderr, self._status = bytearray(), LINE_LOST
        self._told = threading.Event()
        self._channel = connection.session()
        with connection.guard():
            self._channel.settimeout(START_S)
            self._channel.exec_command(quoted(command, end_group=end_group))
        self._reader = threading.Thread(target=self._read_stderr, name="ssh-stderr", daemon=True)
        self._reader.start()
        self._group = self._started()

    def _started(self) -> int:
        """Id of the command's process group; what came before is the login shell's own noise."""
        noise: bytes | None = b""
        line: bytes | None = b""
        with contextlib.suppress(TimeoutError):
            while line is not None:
                noise, line = line, self.read_line(START_S)
                if found := GROUP.search(line or b""):
                    return int(found[1])
        hang_up(self._channel)
        said = (noise or b"").decode(errors="replace") or self.stderr_tail()
        label = self._connection.config.label
        raise BoardUnreachable(
            f"its login runs no commands: {said.strip()[-200:] or 'no answer'}",
            where=label,
            fix=f"give this user a shell; see what `ssh {label} echo hello` says",
        )

    def read(self, timeout_s: float) -> bytes:
        """Some bytes of stdout, b"" at its end. Raises TimeoutError, BoardUnreachable."""
        if self._partial or self._lines:
            data = b"".join(line + b"\n" for line in self._lines) + self._partial
            self._lines, self._partial = [], b""
            return data
        return self._receive(timeout_s)

    def read_line(self, timeout_s: float) -> bytes | None:
        """Next line of stdout; None at its end. Raises TimeoutError, BoardUnreachable."""
        deadline = time.monotonic() + timeout_s
        while not self._lines:
            data = self._receive(deadline - time.monotonic())
            if not data:
                return None
            *whole, self._partial = (self._partial + data).split(b"\n")
            self._lines.extend(whole)
        return self._lines.pop(0)

    def _receive(self, timeout_s: float) -> bytes:
        self._channel.settimeout(max(timeout_s, 0.001))
        try:
            data = bytes(self._channel.recv(CHUNK))
        except EOFError:  # what was read could not be acknowledged
            raise self._connection.lost() from None
        if not data:
            self._see_the_line()
        return data

    def _see_the_line(self) -> None:
        """Tell an end of the command from an end of the line, which paramiko notices later."""
        if not self._told.wait(NOTICE_S) and not self._connection.alive:
            raise self._connection.lost()

    def write(self, data: bytes) -> None:
        """Send bytes to its stdin. Raises BrokenPipeError, BoardUnreachable (also: takes none)."""
        self._channel.settimeout(STALL_S)
        try:
            self._channel.sendall(data)
        except TimeoutError:
            raise self._connection.stalled(STALL_S) from None
        except EOFError:
            raise self._connection.lost() from None
        except OSError:
            self._see_the_line()
            raise BrokenPipeError from None

    def end_of_input(self) -> None:
        """Close its stdin."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.shutdown_write()

    def finish(self, grace_s: float) -> int:
        """Ask by closing stdin, then by SIGTERM, then end the whole group; its status.

        A negative status is the signal that ended it; SIGHUP also where the line was lost.
        """
        self.end_of_input()
        for name in ("TERM", "KILL"):
            if self._over(grace_s):
                break
            self._signal(name)
        else:
            self._over(KILL_S)
        hang_up(self._channel)
        self._reader.join(KILL_S)
        return self._status

    def complete(self, silence_s: float) -> tuple[bytes, int]:
        """All of stdout, and the status.

        Raises:
            TimeoutError: it says nothing for so long.
            BoardUnreachable: it ended without a word of how.
        """
        parts: list[bytes] = []
        heard = time.monotonic()
        while time.monotonic() - heard < silence_s:
            told = self._told.is_set()  # on stderr, which may overtake stdout
            try:
                data = self.read(NOTICE_S if told else POLL_S)
            except TimeoutError:
                if not told:
                    continue
                data = b""  # something it started in the background keeps stdout open
            if not data:
                status = self.finish(POLL_S)
                if not self._told.is_set():
                    raise self._connection.lost()
                return b"".join(parts), status
            parts.append(data)
            heard = time.monotonic()
        raise TimeoutError

    def kill(self) -> None:
        """End the whole group at once."""
        self._signal("KILL")
        hang_up(self._channel)

    def _over(self, within_s: float) -> bool:
        """Read on, lest it block on its output, until it tells its status or the line ends."""
        deadline = time.monotonic() + within_s
        while not self._told.is_set() and not self._ended:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._channel.settimeout(min(left, 0.1))
            with contextlib.suppress(TimeoutError):
                if not self._tried():
                    self._told.wait(min(left, 1.0))
                    self._ended = self._channel.closed or not self._connection.alive
        return True

    def _tried(self) -> bytes:
        """What comes, b"" also where the line is gone. Raises TimeoutError."""
        try:
            return bytes(self._channel.recv(CHUNK))
        except EOFError:
            return b""

    def _signal(self, name: str) -> None:
        """Signal the group by a session of its own: SSH's own signal is not everywhere."""
        with contextlib.suppress(BoardUnreachable, OSError, EOFError, paramiko.SSHException):
            channel = self._connection.session()
            with contextlib.closing(channel):
                channel.settimeout(KILL_S / 2)
                channel.exec_command(f"exec sh -c 'kill -s {name} -- -{self._group}'")
                channel.recv(1)

    def _read_stderr(self) -> None:
        """Runs beside: keeps the last of stderr and takes the status from it."""
        while data := self._stderr_part():
            self._stderr += data
            if found := STATUS.search(self._stderr):
                self._status = _as_signal(int(found[1]))
                del self._stderr[found.start() : found.end()]
                self._told.set()
            del self._stderr[: -TAIL_BYTES * 4]

    def _stderr_part(self) -> bytes:
        while True:
            try:
                return bytes(self._channel.recv_stderr(CHUNK))
            except TimeoutError:
                continue
            except EOFError:
                return b""

    def stderr_tail(self) -> str:
        """The last of what it said on stderr."""
        return bytes(self._stderr[-TAIL_BYTES:]).decode(errors="replace").strip()


def hang_up(channel: paramiko.Channel) -> None:
    """Close a channel: that sends a word, which a broken line does not take."""
    with contextlib.suppress(EOFError, OSError, paramiko.SSHException):
        channel.close()


def quoted(command: Sequence[str], *, end_group: bool) -> str:
    """The command as one line for the board's login shell, every word whole."""
    script = SUPERVISE + (END_GROUP if end_group else "")
    return "exec " + shlex.join(["sh", "-c", script, "secateur", script, *command])


def _as_signal(status: int) -> int:
    """A shell says 128 + n for signal n; the rest of us say -n."""
    return 128 - status if 128 < status <= 128 + signal.SIGRTMAX else status
