"""Bytes into a file on the board: by SFTP, or through the shell where no sftp-server is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import PurePosixPath

import paramiko

from pipeline.board.ssh.client import Connection
from pipeline.board.ssh.command import STALL_S, RemoteCommand, hang_up
from pipeline.board.transport import Completed
from pipeline.errors import BoardUnreachable, Refused

WRITE_BYTES = 1 << 20
MIB = 1 << 20
FOLDER = 'mkdir -p -- "$(dirname -- "$1")"'
# dd moves the shared offset of stdout without truncating, on GNU and on busybox, then cat writes.
SHELL_WRITE = FOLDER + ' && { dd bs=1 count=0 seek="$2" conv=notrunc 2>/dev/null && cat; } 1<>"$1"'
SYNC = 'dd if=/dev/null of="$1" conv=notrunc,fsync 2>/dev/null && wc -c <"$1"'
# SFTP says "Failure" for nearly everything: what the shell says of a small write, and what df says.
EXPLAIN = (
    'p="$1/.secateur-$$"; { mkdir -p -- "$1" && echo x | cat >"$p"; } 2>&1 | tail -n 1; '
    'rm -f -- "$p"; d=$1; while [ ! -d "$d" ]; do d=$(dirname -- "$d"); done; '
    'echo --; df -Pk -- "$d" | tail -n 1'
)

Exec = Callable[[str, tuple[str, ...], float], Completed]


class Files:
    """Writes files over one connection; finds out once whether there is SFTP."""

    def __init__(self, connection: Connection, shell: Exec) -> None:
        self._connection, self._shell = connection, shell
        self._sftp: paramiko.SFTPClient | None = None
        self._has_sftp = True

    def put(self, data: bytes, path: PurePosixPath, offset: int) -> None:
        """Write at an offset, on disk before it returns. Raises BoardUnreachable, Refused."""
        try:
            self._write(data, path, offset)
        except (OSError, paramiko.SFTPError) as problem:
            if not self._connection.alive:
                raise self._connection.lost() from None
            if isinstance(problem, TimeoutError):
                raise self._connection.stalled(STALL_S) from None
            raise self._explained(path, len(data), str(problem)) from None
        synced = self._shell(SYNC, (str(path),), STALL_S)
        size = int(synced.stdout) if synced.stdout.strip().isdigit() else 0
        if synced.status or size < offset + len(data):
            raise self._explained(path, len(data), "the board kept less than we sent")

    def _write(self, data: bytes, path: PurePosixPath, offset: int) -> None:
        sftp = self._open_sftp()
        if sftp is None:
            self._write_by_shell(data, path, offset)
        else:
            with self._connection.guard(), self._opened(sftp, path) as file:
                _fill(file, data, offset)

    def _opened(self, sftp: paramiko.SFTPClient, path: PurePosixPath) -> paramiko.SFTPFile:
        """The file as it is, or a new one. Raises OSError."""
        try:
            return sftp.open(str(path), "r+b")
        except FileNotFoundError:
            made = self._shell(FOLDER, (str(path),), STALL_S)
            if made.status:
                raise OSError(made.stderr.decode(errors="replace")) from None
            return sftp.open(str(path), "wb")

    def _open_sftp(self) -> paramiko.SFTPClient | None:
        """The SFTP session, None where the sshd has no such subsystem. Raises BoardUnreachable."""
        if self._sftp is None and self._has_sftp:
            channel = self._connection.session()
            channel.settimeout(STALL_S)
            try:
                channel.invoke_subsystem("sftp")
                self._sftp = paramiko.SFTPClient(channel)
            except (paramiko.SSHException, EOFError, OSError):
                if not self._connection.alive:
                    raise self._connection.lost() from None
                hang_up(channel)
                self._has_sftp = False
        return self._sftp

    def _write_by_shell(self, data: bytes, path: PurePosixPath, offset: int) -> None:
        words = ("sh", "-c", SHELL_WRITE, "sh", str(path), str(offset))
        writer = RemoteCommand(self._connection, words, end_group=True)
        view = memoryview(data)
        try:
            with contextlib.suppress(BrokenPipeError):
                for start in range(0, len(data), WRITE_BYTES):
                    writer.write(bytes(view[start : start + WRITE_BYTES]))
            writer.end_of_input()
            _, status = writer.complete(STALL_S)
        except (BoardUnreachable, TimeoutError):
            writer.kill()
            raise
        if not self._connection.alive:
            raise self._connection.lost()
        if status:
            raise OSError(writer.stderr_tail() or "the shell's write failed")

    def _explained(self, path: PurePosixPath, size: int, said: str) -> Refused:
        """Why a write failed, by the board's own words."""
        where = f"{self._connection.config.label}:{path.parent}"
        told = self._shell(EXPLAIN, (str(path.parent),), STALL_S).stdout.decode(errors="replace")
        reason, _, table = told.partition("--\n")
        free = _free_bytes(table)
        full = free is not None and free < size and not reason.strip()
        if full or "No space" in reason + said:
            return Refused(
                f"no space left: {_mib(size)} to write, {_mib(free or 0)} free",
                where=where,
                fix="free some space there (`secateur releases` lists what may go), or set "
                "another `root` in the lab file",
            )
        if not reason.strip():
            return Refused(
                f"cannot be written: {said.strip()}", where=where,
                fix="see what its disk does (`df` and `dmesg` there), then run it again",
            )  # fmt: skip
        text = (reason.strip() or said.strip()).rsplit("\n", 1)[-1]
        return Refused(
            f"cannot be written: {text.rsplit(': ', 1)[-1] or 'no reason given'}",
            where=where,
            fix="set a `root` in the lab file that this user may write",
        )

    def close(self) -> None:
        """End the SFTP session."""
        if self._sftp is not None:
            hang_up(self._sftp.get_channel())


def _fill(file: paramiko.SFTPFile, data: bytes, offset: int) -> None:
    """Many writes under way at once; their errors come at the latest with the close."""
    view = memoryview(data)
    file.set_pipelined(True)
    file.seek(offset)
    for start in range(0, len(data), WRITE_BYTES):
        file.write(bytes(view[start : start + WRITE_BYTES]))


def _free_bytes(table: str) -> int | None:
    """Fourth column of `df -Pk`."""
    words = table.split()
    return int(words[3]) * 1024 if len(words) > 3 and words[3].isdigit() else None


def _mib(size: int) -> str:
    return f"{size / MIB:.1f} MiB"


def unreadable(label: str, path: PurePosixPath, said: str) -> Refused:
    """A file there that cannot be read."""
    reason = said.strip().rsplit("\n", 1)[-1].rsplit(": ", 1)[-1]
    return Refused(
        f"cannot be read: {reason or 'no reason given'}",
        where=f"{label}:{path}",
        fix="see that it is there and that this user may read it",
    )


def lost_in(label: str, what: str, timeout_s: float) -> BoardUnreachable:
    """A command that did not end in its time."""
    return BoardUnreachable(
        f"does nothing for {timeout_s:g} s", where=f"{label}: {what}", fix="see what holds it up"
    )
