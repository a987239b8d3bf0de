"""POSIX shell on a board: run a script, and say in the user's words why it failed."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.board.transport import Transport
from pipeline.errors import BoardUnreachable, Refused
from pipeline.progress import say

SILENCE_S = 11.0
BEAT, NOTE = "secateur-alive", "secateur-note "
FUNCTIONS = Path(__file__).with_name("files.sh").read_text()
HEAD = f"set -eu; export LC_ALL=C; exec 3>&1; BEAT='{BEAT}' NOTE='{NOTE}'\n{FUNCTIONS}"
FIXES = {
    "no space left": "free some space there, or set `root` in the lab file to a larger disk",
    "quota": "free some space there, or set `root` in the lab file to a larger disk",
    "file too large": "raise the limit of file sizes there (`ulimit -f`)",
    "read-only file system": "mount it writable, or set `root` in the lab file to another folder",
    "permission denied": "set `root` in the lab file to a folder that this user may write",
    "input/output error": "see what `dmesg` says there: a card that wears out does this",
    "sha256sum": "install coreutils, or a busybox that has sha256sum",
    "python3": "install coreutils or python3 there: its mv cannot replace a symbolic link",
    "operation not permitted": "set `root` in the lab file to a disk that knows symbolic links",
    "under way": "wait for it to end, then run this again",
}


class Shell:
    """A board's shell; `name` is what errors call the board.

    `patience` stretches how long a script may be silent: the clock of an emulated board is slow.
    """

    def __init__(self, transport: Transport, name: str, *, patience: float = 1.0) -> None:
        self.transport, self.name, self.patience = transport, name, patience

    def run(self, script: str, *arguments: str, silence_s: float = SILENCE_S) -> str:
        """Stdout of a script, whose `$1` ... are the arguments; its notes are said, not returned.

        It has the functions of `files.sh`. What takes longer than `silence_s` must `beat`.

        Raises:
            Refused: it failed; the message has its last words.
            BoardUnreachable: see Transport.
        """
        command = ["sh", "-c", HEAD + script, "secateur", *arguments]
        done = self.transport.exec(command, timeout_s=silence_s * self.patience)
        lines = done.stdout.decode(errors="replace").splitlines(keepends=True)
        for line in lines:
            if line.startswith(NOTE):
                say(f"{self.name}: {line.removeprefix(NOTE).strip()}")
        if done.status:
            said = done.stderr.decode(errors="replace").strip().rsplit("\n", 1)[-1]
            said = re.sub(r"^(sh|secateur): (line )?(\d+: )?", "", said)
            raise self.refusal(said or f"a command failed with exit code {done.status}")
        return "".join(line for line in lines if not line.startswith((BEAT, NOTE)))

    def silent(self) -> BoardUnreachable:
        """A script that ended well and whose answer is not there."""
        fix = "run it again; see `ssh` by hand when it recurs"
        return BoardUnreachable("its answer did not arrive", where=self.name, fix=fix)

    def refusal(self, said: str) -> Refused:
        """An error of the board with the fix that its words call for."""
        fixes = (fix for words, fix in FIXES.items() if words in said.lower())
        return Refused(said[:300], where=self.name, fix=next(fixes, "see what ails the board"))
