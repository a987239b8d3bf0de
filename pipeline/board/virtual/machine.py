"""One virtual board: its folder, what is known of it, and its QEMU process."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import struct
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.artifacts import write_atomic
from pipeline.board.virtual import qemu
from pipeline.board.virtual.image import Image, home
from pipeline.board.virtual.qmp import Qmp
from pipeline.errors import BoardUnreachable, UsageError

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
END_S = 10.0
FLOCK = struct.Struct("hhqqi0q")  # struct flock of 64-bit Linux: type, whence, start, length, pid


@dataclass
class State:
    """What is kept of a machine between commands.

    `saved`: its disk holds a snapshot to go on from. `started`: it was, and nobody ended it since.
    """

    image: str
    cpu: str
    qemu: str
    saved: bool
    started: bool = False
    port: int = 0


class Machine:
    """A machine's folder: disk, control socket, console, known_hosts and state."""

    def __init__(self, name: str) -> None:
        if not NAME.fullmatch(name):
            fix = "use small letters, digits and dashes, such as virtual-arm64-2"
            raise UsageError("no name for a virtual board", where=name, fix=fix)
        self.name = name
        self.folder = home() / "machines" / name
        self.lock = self.folder.with_name(f".{name}.lock")
        self.disk = self.folder / qemu.DISK
        self.known_hosts = self.folder / "known_hosts"

    @property
    def state(self) -> State | None:
        """What is known; None when there is no such machine, or its notes cannot be read."""
        with suppress(OSError, ValueError, TypeError):
            return State(**json.loads((self.folder / "machine.json").read_text()))
        return None

    def keep(self, state: State) -> None:
        """Note the state."""
        write_atomic(self.folder / "machine.json", json.dumps(asdict(state), indent=1).encode())

    def pid(self) -> int | None:
        """Its QEMU process, if it lives: QEMU keeps a lock on its pid file as long as it does."""
        try:
            with (self.folder / qemu.PID).open("rb") as file:
                answer = fcntl.fcntl(file, fcntl.F_GETLK, FLOCK.pack(fcntl.F_WRLCK, 0, 0, 0, 0))
                return None if FLOCK.unpack(answer)[0] == fcntl.F_UNLCK else int(file.read())
        except (FileNotFoundError, ValueError):
            return None

    def qmp(self, **options: Any) -> Qmp:
        """Its control socket. Raises BoardUnreachable."""
        return Qmp(self.folder / qemu.SOCKET, **options)

    def start(self, image: Image, state: State) -> State:
        """Start QEMU from the disk: from its snapshot, or by booting it. Raises Refused."""
        from_snapshot, state.saved, state.started = state.saved, False, True
        self.keep(state)
        qemu.start(image, self.folder, state.cpu, from_snapshot=from_snapshot)
        with self.qmp() as qmp:
            state.port = qmp.port()
        line = f"[127.0.0.1]:{state.port} {image.host_key}\n"
        write_atomic(self.known_hosts, line.encode())
        self.keep(state)
        return state

    def save(self) -> None:
        """Keep what the machine is, to go on from. Raises BoardUnreachable."""
        with self.qmp() as qmp:
            qmp.command("stop")
            qmp.save(qemu.SNAPSHOT)

    def stop(self) -> None:
        """End QEMU: asked, then told."""
        if not self.pid():
            return
        with suppress(BoardUnreachable), self.qmp(timeout_s=END_S) as qmp:
            qmp.quit()
        if self._lives_on(END_S) and (pid := self.pid()):
            os.kill(pid, signal.SIGKILL)
            self._lives_on(END_S)

    def _lives_on(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while lives := self.pid() is not None:
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        return lives

    def forget(self) -> None:
        """Delete the machine with its disk."""
        shutil.rmtree(self.folder, ignore_errors=True)
