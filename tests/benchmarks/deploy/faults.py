"""What goes wrong: each kind is armed before an attempt, and healed before the next one.

Where in the session it strikes is drawn over all bytes that the attempt sends, from the first of
the handshake to the last of the publish. The same draw is used for both clients.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.board.release import Release
from tests.benchmarks.deploy.clients import Ours, Rival
from tests.benchmarks.deploy.place import Line, Place

YEAR_S = 365 * 24 * 3600


@dataclass
class Scene:
    """One attempt that a fault can meddle with."""

    place: Place
    line: Line
    client: Ours | Rival
    new: Release
    chance: random.Random
    size: int


class Fault:
    """Nothing goes wrong; the kinds below override what they need."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.over = scene, threading.Event()
        self.offset = int(scene.chance.random() * (scene.line.overhead["up"] + scene.size))
        self.struck_at = 0.0

    def arm(self) -> None:
        """Before the attempt."""

    def known_hosts(self) -> Path:
        """What the client knows of the server's key."""
        return self.scene.line.known_hosts()

    def before_publish(self) -> None:
        """After the bytes have arrived."""

    def heal(self) -> None:
        """Before the retry."""
        self.over.set()

    def _when(self, holds: Callable[[], bool], act: Callable[[], bool]) -> None:
        """Do something in the middle of the attempt, again and again until it takes."""

        def wait() -> None:
            while not self.over.is_set() and not (holds() and act()):
                time.sleep(0.001)
            self.struck_at = time.monotonic()

        threading.Thread(target=wait, daemon=True).start()

    def _at_offset(self, act: Callable[[], bool]) -> None:
        start = self.scene.line.proxy.forwarded
        proxy = self.scene.line.proxy
        self._when(lambda: proxy.forwarded - start >= self.offset, act)


class Broken(Fault):
    """The line ends, or swallows everything, at a byte of one of its directions."""

    fault = "cut"

    def arm(self) -> None:
        way = self.scene.chance.choice(("up", "up", "down"))
        overhead = self.scene.line.overhead[way]
        span = overhead + (self.scene.size if way == "up" else self.scene.size // 500)
        self.offset = int(self.scene.chance.random() * span)
        self.scene.line.proxy.break_after(self.offset, self.fault, way)

    def heal(self) -> None:
        super().heal()
        self.scene.line.proxy.heal()
        self.scene.line.proxy.drop()


class Hole(Broken):
    """The same, and nobody says so."""

    fault = "hole"


class Slow(Fault):
    """The line carries little."""

    def arm(self) -> None:
        self.scene.line.proxy.rate = self.scene.chance.uniform(30_000, 300_000)

    def heal(self) -> None:
        super().heal()
        self.scene.line.proxy.heal()


class Full(Fault):
    """The disk has room for some of the bytes only: from the start, or it fills up meanwhile."""

    def arm(self) -> None:
        self._filler = self.scene.place.disk / "filler"
        left = int(self.scene.chance.random() * (self.scene.size + 100_000))
        if self.scene.chance.random() < 0.5:
            self._fill(left)
        else:
            self._at_offset(lambda: self._fill(0))

    def _fill(self, left: int) -> bool:
        free = os.statvfs(self.scene.place.disk)
        size = free.f_bavail * free.f_frsize - left
        with contextlib.suppress(OSError), self._filler.open("ab") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, size))
        return True

    def heal(self) -> None:
        super().heal()
        self._filler.unlink(missing_ok=True)


class Killed(Fault):
    """The sshd and all of its sessions are killed."""

    def arm(self) -> None:
        self._at_offset(self._kill)

    def _kill(self) -> bool:
        self.scene.line.sshd.stop()
        return True

    def heal(self) -> None:
        super().heal()
        self.scene.line.sshd.stop()
        self.scene.line.sshd.start()


class Flipped(Broken):
    """A bit of what arrived changes on the disk: under way, before the retry, or after it all."""

    def arm(self) -> None:
        self._how = self.scene.chance.choice(("under way", "between", "after"))
        if self._how == "under way":
            self._at_offset(self._flip_arriving)
        elif self._how == "between":
            super().arm()

    def before_publish(self) -> None:
        if self._how == "after":
            self._flip(self.scene.client.arrived(self.scene.new))

    def heal(self) -> None:
        super().heal()
        if self._how == "between":
            self._flip_arriving()

    def _flip_arriving(self) -> bool:
        path = self.scene.client.arriving()
        return path is not None and self._flip(path)

    def _flip(self, path: Path) -> bool:
        with contextlib.suppress(OSError), path.open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            if size:
                at = self.scene.chance.randrange(size)
                file.seek(at)
                byte = file.read(1)
                file.seek(at)
                file.write(bytes([byte[0] ^ 1 << self.scene.chance.randrange(8)]))
                return True
        return False


class WrongKey(Fault):
    """The server's key is not the one that is known."""

    def known_hosts(self) -> Path:
        if self.over.is_set():
            return super().known_hosts()
        return self.scene.line.known_hosts(key=self.scene.place.key)


class Clock(Broken):
    """The board's clock jumps by years, under way and between; the line is cut as well."""

    def arm(self) -> None:
        super().arm()
        self._jump()
        self._at_offset(self._jump)

    def before_publish(self) -> None:
        self._jump()

    def heal(self) -> None:
        super().heal()
        self._jump()

    def _jump(self) -> bool:
        """For its programs by libfaketime, and in the times of the files that are there."""
        offset = self.scene.chance.randrange(-20 * YEAR_S, 20 * YEAR_S)
        self.scene.place.set_clock(offset)
        for path in self.scene.client.root.rglob("*"):
            with contextlib.suppress(OSError):
                os.utime(path, (time.time() + offset,) * 2, follow_symlinks=False)
        return True


class ReadOnly(Fault):
    """The file system becomes read-only, as ext4 does on an error."""

    def arm(self) -> None:
        self._at_offset(lambda: self.scene.place.remount("ro"))

    def heal(self) -> None:
        super().heal()
        while not self.scene.place.remount("rw"):
            time.sleep(0.01)


FAULTS: dict[str, type[Fault]] = {
    "cut": Broken,
    "black hole": Hole,
    "slow link": Slow,
    "disk full": Full,
    "killed sshd": Killed,
    "flipped bit": Flipped,
    "wrong host key": WrongKey,
    "clock jump": Clock,
    "read-only": ReadOnly,
}
NEED_A_DISK = ("disk full", "read-only")
