"""The seam between a session and where it runs: five functions, for this machine and for SSH."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol


@dataclass(frozen=True)
class Completed:
    """What a finished command left."""

    status: int
    stdout: bytes
    stderr: bytes


class Stream(Protocol):
    """A command under way whose stdout is read line by line while it runs."""

    def read_line(self, timeout_s: float) -> bytes | None:
        """Next line without its newline; None at the end. Raises TimeoutError."""

    def write(self, data: bytes) -> None:
        """Send bytes to its stdin. Raises BrokenPipeError when it is gone."""

    def finish(self, grace_s: float) -> int:
        """Close stdin, wait, end what is left of its process group, and return its status.

        A negative status is the signal that ended it.
        """

    def stderr_tail(self) -> str:
        """The last of what it said on stderr."""


class Transport(Protocol):
    """A board. Every function raises BoardUnreachable when there is no way to it."""

    def exec(self, command: Sequence[str], *, timeout_s: float) -> Completed:
        """Run a command to its end; `timeout_s` bounds how long it says nothing on stdout."""

    def stream(self, command: Sequence[str]) -> Stream:
        """Start a command with which a session talks."""

    def put(self, data: bytes, path: PurePosixPath, *, offset: int) -> None:
        """Write bytes at an offset of a file there, making it when it is missing."""

    def fetch(self, path: PurePosixPath) -> bytes:
        """The bytes of a file there. Raises Refused: it cannot be read."""

    def close(self) -> None:
        """End the connection."""
