"""Power cuts: the virtual board's QEMU is killed around the rename, and booted from its disk.

Both clients are struck by the same cut: paramiko's `put` has just returned when ours publishes.
Readers inside the guest look all the time, and once more after the boot, before any command.
Meanwhile the guest's clock jumps by years.
"""

from __future__ import annotations

import contextlib
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import paramiko

from pipeline.board import ssh
from pipeline.board.release import Release, release
from pipeline.board.shell import Shell
from pipeline.board.slots import Hooks, Slot
from pipeline.board.virtual import VirtualMachine, reset, up
from pipeline.board.virtual.image import home
from pipeline.board.virtual.machine import Machine
from pipeline.board.virtual.shell import as_root, login
from pipeline.errors import BoardUnreachable
from tests.benchmarks.deploy.clients import counted
from tests.benchmarks.deploy.place import digest
from tests.benchmarks.deploy.watch import SOURCE

KIND = "power cut"
NAME = "virtual-arm64"
ROOT = PurePosixPath("/home/board/deploy")
LINK, RIVAL = ROOT / "app" / "current", ROOT / "rival.bin"
HOOKS = Hooks(health_cmd="sleep 0.2; test -s current/model.bin")
YEARS_S = 10 * 365 * 24 * 3600
Line = dict[str, Any]
T = TypeVar("T")


def work(_: Path, asked: Any, told: Any) -> None:
    """Take (number, seed) of cuts from one queue until there is none; two lines for each."""
    os.setsid()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no machine stays
    with _memory() as memory, _machine(memory):
        board = Board(memory)
        while (cut := asked.get()) is not None:
            number, seed = cut
            told.put(board.cut(number, random.Random(f"{KIND} {seed} {number}")))


@contextlib.contextmanager
def _memory() -> Iterator[Path]:
    """A folder in memory: what a guest has flushed outlives its QEMU there, and costs no disk."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


@contextlib.contextmanager
def _machine(folder: Path) -> Iterator[None]:
    """A home of its own for the machine, over the images that are there; it ends with the block."""
    images = home() / "images"
    before = os.environ.get("SECATEUR_HOME")
    os.environ["SECATEUR_HOME"] = str(folder / "home")
    try:
        home().mkdir(parents=True, exist_ok=True)
        images.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (home() / "images").symlink_to(images)
        yield
    finally:
        Machine(NAME).stop()
        Machine(NAME).forget()
        os.environ.pop("SECATEUR_HOME")
        if before:
            os.environ["SECATEUR_HOME"] = before


@dataclass
class Cut:
    """When the power goes: so long after the push, the publish, or the flip."""

    after: str
    delay_s: float


class Board:
    """The machine between two cuts; `old` is the release that is current in its slot."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._sent = folder, 0
        self._vm = patiently(lambda: reset(NAME))
        self._old = self._payload(b"old" * 20_000, "old")
        patiently(self._begin)
        patiently(lambda: self._put(self._old))
        self._root("sync")

    def _begin(self) -> None:
        with self._slot() as slot:
            slot.push(self._old)
            begin = time.monotonic()
            slot.publish(None, HOOKS)
            self._publish_s = time.monotonic() - begin

    def cut(self, number: int, chance: random.Random) -> list[Line]:
        """One cut and what comes after it."""
        new = self._payload(chance.randbytes(chance.randrange(1000, 700_000)), f"cut {number}")
        when = self._moment(chance)
        readers = [self._reader("slot", LINK), self._reader("file", RIVAL)]
        told = self._struck(new, when, readers[0])
        seen = [reader.lost() for reader in readers]
        self._vm = patiently(lambda: up(NAME))
        self._root(f"date -u -s @{time.time() + chance.randrange(-YEARS_S, YEARS_S):.0f}")
        for lines, kind, path in zip(seen, ("slot", "file"), (LINK, RIVAL), strict=True):
            lines.append(self._reader(kind, path).stop())
        ours = self._retried(new)
        patiently(lambda: self._put(new))
        rival = {"converged": self._reader("file", RIVAL).stop() == digest(new),
                 "retry_error": None, "resent": None, "kind_of": None, "error": None,
                 "seconds": None}  # fmt: skip
        self._root("sync")
        about = {"trial": number, "kind": KIND, "size": new.size_bytes, "offset": when.delay_s}
        allowed = {self._old.digest, new.digest}, {digest(self._old), digest(new)}
        self._old = new
        return [
            {**about, "after": when.after, "client": "secateur", **told, **ours,
             **_judged(seen[0], allowed[0])},
            {**about, "after": when.after, "client": "paramiko put", **rival,
             **_judged(seen[1], allowed[1])},
        ]  # fmt: skip

    def _reader(self, kind: str, path: PurePosixPath) -> Reader:
        return patiently(lambda: Reader(self._vm, kind, path))

    def _moment(self, chance: random.Random) -> Cut:
        after = chance.choice(("push", "publish", "publish", "flip", "flip"))
        longest = {"push": 2.0, "publish": 1.2 * self._publish_s, "flip": 0.5}[after]
        return Cut(after, chance.random() * longest)

    def _struck(self, new: Release, when: Cut, reader: Reader) -> Line:
        """Push and publish, and the power goes meanwhile."""
        self._sent = 0
        patiently(lambda: self._put(new))
        moments = {name: threading.Event() for name in ("push", "publish", "flip")}
        reader.on(new.digest, moments["flip"].set)
        killed: list[float] = []

        def cut() -> None:
            moments[when.after].wait(120)
            time.sleep(when.delay_s)
            pid = Machine(NAME).pid()
            assert pid
            os.kill(pid, signal.SIGKILL)
            killed.append(time.monotonic())

        thread = threading.Thread(target=cut)
        thread.start()
        problem: Exception | None = None
        try:
            with self._slot() as slot:
                moments["push"].set()
                slot.push(new)
                moments["publish"].set()
                slot.publish(None, HOOKS)
        except Exception as caught:
            problem = caught
        told = time.monotonic()
        thread.join()
        while Machine(NAME).pid():
            time.sleep(0.01)
        seconds = round(max(0.0, told - killed[0]), 2) if problem else None
        return {
            "error": " ".join(str(problem).split())[:400] if problem else None,
            "kind_of": type(problem).__name__ if problem else None,
            "seconds": seconds,
        }

    def _retried(self, new: Release) -> Line:
        def again() -> list[str]:
            with self._slot() as slot:
                slot.push(new)
                slot.publish(None, HOOKS)
                return [one.digest for one in slot.releases() if one.state == "current"]

        try:
            stands = patiently(again)
        except Exception as problem:
            return {"converged": False, "retry_error": str(problem)[:400], "resent": None}
        resent = max(0, self._sent - new.size_bytes)
        return {"converged": stands == [new.digest], "retry_error": None, "resent": resent}

    def _payload(self, data: bytes, name: str) -> Release:
        path = self._folder / "power.bin"
        path.write_bytes(data)
        kept = self._folder / f"{name.replace(' ', '-')}.bin"
        path.replace(kept)
        return release({"model.bin": kept}, {"name": name})

    @contextlib.contextmanager
    def _slot(self) -> Iterator[Slot]:
        vm = self._vm
        transport = ssh.connect(vm.host, user=vm.user, port=vm.port, identity=vm.identity,
                                known_hosts=vm.known_hosts, config="none")  # fmt: skip
        counted(transport, self._count)
        try:
            yield Slot(Shell(transport, NAME, patience=4), ROOT, "app")
        finally:
            transport.close()

    def _count(self, size: int) -> None:
        self._sent += size

    def _put(self, new: Release) -> None:
        """The other client: the whole file to its final name."""
        vm = self._vm
        with paramiko.SSHClient() as client:
            client.load_host_keys(str(vm.known_hosts))
            client.connect(vm.host, vm.port, vm.user, key_filename=str(vm.identity),
                           allow_agent=False, look_for_keys=False)  # fmt: skip
            with client.open_sftp() as sftp:
                sftp.put(str(new.files["model.bin"]), str(RIVAL))

    def _root(self, words: str) -> str:
        vm = self._vm
        return patiently(lambda: as_root(vm.port, vm.identity, vm.known_hosts, words))


class Reader:
    """A reader inside the guest, whose lines come out as it looks."""

    def __init__(self, vm: VirtualMachine, kind: str, path: PurePosixPath) -> None:
        words = ["python3", "-I", "-c", SOURCE, kind, str(path), "0.03"]
        command = [*login(vm.user, vm.port, vm.identity, vm.known_hosts), shlex.join(words)]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True)  # fmt: skip
        self._lines: list[str] = []
        self._calls: dict[str, Callable[[], None]] = {}
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        if not self._first.wait(120):
            self.lost()
            raise OSError("no reader in the guest")

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._lines.append(line.strip())
            self._calls.get(line.strip(), lambda: None)()
            self._first.set()

    def on(self, line: str, call: Callable[[], None]) -> None:
        """Call when it says so."""
        self._calls[line] = call

    def lost(self) -> list[str]:
        """What it had said when its machine ended."""
        self._child.kill()
        self._child.communicate()
        self._thread.join(10)
        return self._lines

    def stop(self) -> str:
        """Its first look."""
        self.lost()
        return self._lines[0]


def patiently(call: Callable[[], T]) -> T:
    """Call it again where a guest on a busy machine was too slow to answer."""
    for _ in range(5):
        with contextlib.suppress(BoardUnreachable, paramiko.SSHException, OSError, EOFError):
            return call()
        time.sleep(2)
    return call()


def _judged(seen: list[str], allowed: set[str]) -> Line:
    """What was seen while it ran, and, last, after the boot."""
    wrong = [line for line in seen if line not in allowed]
    return {"looks": len(seen), "changes": len(seen) - 1, "torn": len(wrong), "saw": wrong[:3],
            "after_boot": seen[-1], "whole": seen[-1] in allowed}  # fmt: skip
