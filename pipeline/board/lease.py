"""One session at a time on a board, held by a process there that lives as long as we are heard."""

from __future__ import annotations

import getpass
import os
import platform
import threading
from datetime import UTC, datetime
from pathlib import PurePosixPath

from pipeline.board.pack import SOURCE
from pipeline.board.transport import Stream, Transport
from pipeline.errors import BoardUnreachable, Refused

TAKING_S = 30.0
BEAT_S = 5.0
GRACE_S = 10.0


class Lease:
    """The right to measure on a board; its end sweeps away what the session left there."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._over = threading.Event()
        self._lost: BaseException | None = None
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise BoardUnreachable when the board has let go of us, as when it was started anew."""
        if self._lost is not None:
            raise BoardUnreachable(
                f"the session with the board is lost: {self._lost or 'the line is closed'}",
                fix="see whether the board was started anew, then run it again",
            )

    def release(self) -> None:
        """Give the board free; nothing of the session stays on it."""
        if not self._over.is_set():
            self._over.set()
            self._stream.finish(GRACE_S)
            self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            try:
                self._stream.write(b"\n")
            except (OSError, BoardUnreachable, ValueError) as problem:
                self._lost = problem
                return


def take(transport: Transport, python: str, work: PurePosixPath, name: str) -> Lease:
    """Take the board for one session.

    Raises:
        Refused: somebody else has it; the message says who, and since when.
        BoardUnreachable: the board does not answer.
    """
    source = (SOURCE / "lease.py").read_text()
    stream = transport.stream([python, "-I", "-c", source, str(work), _we()])
    try:
        answer = (stream.read_line(TAKING_S) or b"").decode(errors="replace").strip()
        if answer == "held":
            return Lease(stream)
    except TimeoutError:
        answer = ""
    except BaseException:
        stream.finish(0)
        raise
    stream.finish(0)
    raise _not_ours(answer, stream.stderr_tail(), name)


def _not_ours(holder: str, said: str, name: str) -> Refused:
    if holder:
        fix = "wait for that session to end, or end it there"
        return Refused(f"in use by {holder}", where=name, fix=fix)
    last = said.rsplit("\n", 1)[-1] or "no answer"
    fix = "see that /tmp and our folder are writable on the board, and that it is not overloaded"
    return Refused(f"the board cannot be reserved: {last[:200]}", where=name, fix=fix)


def _we() -> str:
    """Who we are, by this machine's clock: a board's own may be years off."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    return f"{user}@{platform.node()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
