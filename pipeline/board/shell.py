"""POSIX shell on a board: run a script, and say in the user's words why it failed."""

from __future__ import annotations

from pathlib import PurePosixPath

from pipeline.board.transport import Transport
from pipeline.errors import Refused

TIMEOUT_S = 60.0
HEAD = "set -eu; export LC_ALL=C; "
FIXES = {
    "no space left": "free some space there, or set `root` in the lab file to a larger disk",
    "quota": "free some space there, or set `root` in the lab file to a larger disk",
    "read-only file system": "mount it writable, or set `root` in the lab file to another folder",
    "permission denied": "set `root` in the lab file to a folder that this user may write",
    "sha256sum": "install coreutils, or a busybox that has sha256sum",
    "operation not permitted": "set `root` in the lab file to a disk that knows symbolic links",
}


class Shell:
    """A board's shell; `name` is what errors call the board."""

    def __init__(self, transport: Transport, name: str) -> None:
        self.transport, self.name = transport, name

    def run(self, script: str, *arguments: str, timeout_s: float = TIMEOUT_S) -> str:
        """Stdout of a script, whose `$1` ... are the arguments.

        Raises:
            Refused: it failed; the message has its last words.
            BoardUnreachable: see Transport.
        """
        command = ["sh", "-c", HEAD + script, "secateur", *arguments]
        done = self.transport.exec(command, timeout_s=timeout_s)
        if done.status:
            said = done.stderr.decode(errors="replace").strip().rsplit("\n", 1)[-1]
            raise self.refusal(said or f"a command failed with exit code {done.status}")
        return done.stdout.decode(errors="replace")

    def refusal(self, said: str) -> Refused:
        """An error of the board with the fix that its words call for."""
        fixes = (fix for words, fix in FIXES.items() if words in said.lower())
        return Refused(said[:300], where=self.name, fix=next(fixes, "see what ails the board"))

    def free_bytes(self, folder: PurePosixPath) -> int | None:
        """Space that this user has left below an existing folder; None if `df` does not tell."""
        words = self.run('df -Pk "$1"', str(folder)).strip().rsplit("\n", 1)[-1].split()
        numbers = [word for word in words if word.isdigit()]
        return int(numbers[2]) * 1024 if len(numbers) > 2 else None
