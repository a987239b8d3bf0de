"""The transport to a board over SSH."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from pipeline.board.ssh.client import Connection, open_connection
from pipeline.board.ssh.command import STALL_S, RemoteCommand
from pipeline.board.ssh.config import Overrides
from pipeline.board.ssh.files import Files, lost_in, unreadable
from pipeline.board.transport import Completed


class SSHTransport:
    """Commands and files over one connection. Not for two threads at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._files = Files(connection, self._shell)

    @property
    def label(self) -> str:
        """`user@alias`, for messages."""
        return self._connection.config.label

    @property
    def alive(self) -> bool:
        """Whether the connection still stands."""
        return self._connection.alive

    def exec(self, command: Sequence[str], *, timeout_s: float) -> Completed:
        """Run a command to its end. Raises BoardUnreachable: lost, or silent too long."""
        running = RemoteCommand(self._connection, command)
        running.end_of_input()
        try:
            stdout, status = running.complete(timeout_s)
        except TimeoutError:
            running.kill()
            raise lost_in(self.label, command[0], timeout_s) from None
        return Completed(status, stdout, running.stderr_tail().encode())

    def stream(self, command: Sequence[str]) -> RemoteCommand:
        """Start a command with which a session talks; its group ends with it."""
        return RemoteCommand(self._connection, command, end_group=True)

    def put(self, data: bytes, path: PurePosixPath, *, offset: int) -> None:
        """Write bytes at an offset of a file, making it and its folder when they are missing.

        Raises:
            BoardUnreachable: the connection died or makes no progress.
            Refused: no space, or the folder cannot be written.
        """
        self._files.put(data, path, offset)

    def fetch(self, path: PurePosixPath) -> bytes:
        """A whole file, however slow as long as it comes. Raises BoardUnreachable, Refused."""
        running = RemoteCommand(self._connection, ["cat", "--", str(path)], end_group=True)
        running.end_of_input()
        parts: list[bytes] = []
        try:
            while data := running.read(STALL_S):
                parts.append(data)
        except TimeoutError:
            running.kill()
            raise lost_in(self.label, f"cat {path}", STALL_S) from None
        if running.finish(STALL_S):
            raise unreadable(self.label, path, running.stderr_tail())
        return b"".join(parts)

    def close(self) -> None:
        """End the connection."""
        self._files.close()
        self._connection.close()

    def _shell(self, script: str, words: tuple[str, ...], timeout_s: float) -> Completed:
        return self.exec(["sh", "-c", script, "sh", *words], timeout_s=timeout_s)


def connect(
    host: str,
    *,
    user: str | None = None,
    port: int | None = None,
    identity: Path | None = None,
    known_hosts: Path | None = None,
    config: Path | str | None = None,
) -> SSHTransport:
    """Connect to whatever `ssh -G host` resolves; what is given here wins over it.

    `config` is another file than ~/.ssh/config, "none" reads none.

    Raises:
        UsageError: the host's name or the user's SSH configuration is wrong.
        Refused: there is no OpenSSH client here.
        BoardUnreachable: no way there, its key unknown or another, or it lets us not in.
    """
    overrides = Overrides(user, port, identity, known_hosts, config)
    return SSHTransport(open_connection(host, overrides))
