"""A board behind any transport: everything on it lies in one folder and goes with its session."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.artifacts import file_digest, write_atomic
from pipeline.board import session
from pipeline.board.interpreter import interpreters, recent
from pipeline.board.lease import Lease, take
from pipeline.board.pack import packed
from pipeline.board.provision import provision
from pipeline.board.session import Event, OnEvent, OnReady
from pipeline.board.shell import Shell
from pipeline.board.transport import Transport
from pipeline.board.upload import upload
from pipeline.board.wheels import Choice, choose
from pipeline.errors import BoardUnreachable

WORK = ".work"
FOLDER = """
case $1 in "~") root=$HOME;; "~/"*) root=$HOME/${1#"~/"};; *) root=$1;; esac
if [ ! -d "$root/.work/files" ]; then
  mkdir -p "$root/.work/agent" "$root/.work/files"
  settle "$root/.work"; settle "$root"; settle "${root%/*}/"
fi
cd "$root"; pwd -P
"""


def folder_on(shell: Shell, root: str) -> PurePosixPath:
    """Our folder on the board, with no `~` in it, made when it is missing. Raises Refused."""
    return PurePosixPath(shell.run(FOLDER, root).strip())


class RemoteBoard:
    """One session on a board, which is reserved for it.

    Kept there by content, for the next session: the agent, the runtime, models and samples.

    Raises:
        Refused: no folder that we may write, no Python 3.9 or newer, or somebody else has it.
    """

    def __init__(
        self, transport: Transport, root: str, *, name: str = "the board",
        silence_s: float = session.SILENCE_S,
    ) -> None:  # fmt: skip
        self._transport, self._name, self._silence_s = transport, name, silence_s
        self._shell = Shell(transport, name, patience=silence_s / session.SILENCE_S)
        self._work = folder_on(self._shell, root) / WORK
        self._pythons = interpreters(self._shell)
        self._ready: dict[str, tuple[Choice, PurePosixPath | None]] = {}
        self._sent: dict[str, str] = {}
        python = recent(self._pythons, board=name).path
        self._lease: Lease = take(transport, python, self._work, name)

    def choose(self, names: Sequence[str]) -> str:
        """The first of these runtimes for which the board's Python has wheels, or which it has.

        Raises:
            Refused: none; the message says what would work.
        """
        return choose(self._pythons, names, board=self._name).runtime

    def send(self, path: Path) -> str:
        """Push a file once, by its content."""
        self._lease.check()
        digest = file_digest(path)
        if digest not in self._sent:
            remote = self._work / "files" / f"{digest}{path.suffix}"
            upload(self._shell, path, remote)
            self._sent[digest] = str(remote)
        return self._sent[digest]

    def run(
        self,
        spec: Mapping[str, Any],
        *,
        timeout_s: float,
        on_event: OnEvent | None = None,
        on_ready: OnReady | None = None,
    ) -> list[Event]:
        """Run one job of the agent there; runtime and agent are pushed when they are missing."""
        choice, site = self._runtime(spec["runtime"])
        whole = {**spec, "site": [str(site)] if site else []}
        agent = packed()
        program = self._work / "agent" / agent.path.name
        upload(self._shell, agent.path, program)
        self._lease.check()
        return session.run(
            PurePosixPath(choice.python.path), whole, timeout_s=timeout_s, on_event=on_event,
            on_ready=on_ready, transport=self._transport, program=program,
            silence_s=self._silence_s,
        )  # fmt: skip

    def scratch(self) -> str:
        """A folder on the board that goes with the session."""
        return str(self._work / "sessions" / "now")

    def fetch(self, remote: str, to: Path) -> Path:
        """Bring a file here."""
        write_atomic(to, self._transport.fetch(PurePosixPath(remote)))
        return to

    def close(self) -> None:
        """End the session: its scratch and its processes go, the lease too."""
        try:
            with contextlib.suppress(BoardUnreachable):
                self._lease.release()
        finally:
            self._transport.close()

    def _runtime(self, name: str) -> tuple[Choice, PurePosixPath | None]:
        if name not in self._ready:
            choice = choose(self._pythons, [name], board=self._name)
            self._ready[name] = choice, provision(self._shell, choice, self._work)
        return self._ready[name]
