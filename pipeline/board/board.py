"""What a measurement needs of a board, so that it does not know where it runs; this machine's."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pipeline.board import runtimes, session
from pipeline.board.session import Event, OnEvent, OnReady


class Board(Protocol):
    """A place where the agent runs. Paths inside a spec and its events are the board's own.

    Every function raises BoardUnreachable when there is no way to the board any more, and Refused
    when the board cannot do it.
    """

    def choose(self, names: Sequence[str]) -> str:
        """The first of these runtimes that the board can run."""

    def send(self, path: Path) -> str:
        """Path on the board of a file with these bytes."""

    def run(
        self,
        spec: Mapping[str, Any],
        *,
        timeout_s: float,
        on_event: OnEvent | None = None,
        on_ready: OnReady | None = None,
    ) -> list[Event]:
        """Run one job of the agent; see `session.run`."""

    def scratch(self) -> str:
        """A folder on the board that goes when the board is closed."""

    def fetch(self, remote: str, to: Path) -> Path:
        """Bring a file of the board to the path `to` here."""

    def close(self) -> None:
        """Leave the board as it was found, but for what is kept by content."""


class LocalBoard:
    """This machine: files stay where they are, and each runtime has its own interpreter."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def choose(self, names: Sequence[str]) -> str:
        """The first: this machine can make an interpreter for any of them, or says why not."""
        return names[0]

    def send(self, path: Path) -> str:
        """The file itself."""
        return str(path.resolve())

    def run(
        self,
        spec: Mapping[str, Any],
        *,
        timeout_s: float,
        on_event: OnEvent | None = None,
        on_ready: OnReady | None = None,
    ) -> list[Event]:
        """Run one job under the interpreter that has the spec's runtime."""
        python = runtimes.python_for(spec["runtime"])
        return session.run(python, spec, timeout_s=timeout_s, on_event=on_event, on_ready=on_ready)

    def scratch(self) -> str:
        """A temporary folder, the same one for as long as the board is open."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="secateur-board-"))
        return str(self._folder)

    def fetch(self, remote: str, to: Path) -> Path:
        """Copy a file."""
        return Path(shutil.copyfile(remote, to))

    def close(self) -> None:
        """Delete the scratch folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


@contextlib.contextmanager
def closing(board: Board) -> Iterator[Board]:
    """Close a board however the block ends."""
    try:
        yield board
    finally:
        board.close()
