"""Where one worker's trials happen: an sshd, a proxy before it, and a small disk of its own."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pipeline.board.local import Local
from pipeline.board.release import Release, release
from pipeline.board.shell import Shell
from pipeline.board.slots import Hooks, Slot
from tests.board.ssh.proxy import Proxy
from tests.board.ssh.servers import SFTP, Sshd, make_key

DISK_MB = 48
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@dataclass
class Line:
    """A way to a board: its sshd, and the proxy before it that can break.

    `overhead`: bytes that a push and publish of nothing sends up and down.
    """

    sshd: Sshd
    proxy: Proxy
    overhead: dict[str, int] = field(default_factory=dict)

    def known_hosts(self, *, key: Path | None = None) -> Path:
        """The proxy's port with the server's key, or with another one."""
        lines = self.sshd.line(key) if key else self.sshd.known_hosts.read_text()
        path = self.sshd.folder / f"known_hosts_{key is None}"
        path.write_text(lines.replace(f":{self.sshd.port} ", f":{self.proxy.port} "))
        return path


@dataclass
class Place:
    """One worker's board: reached by a plain line, or by one whose sessions have another clock."""

    folder: Path
    disk: Path
    key: Path
    plain: Line
    shifted: Line
    old: Release
    own_disk: bool

    @property
    def template(self) -> Path:
        """A slot in which the old release is current."""
        return self.disk / "template"

    def set_clock(self, offset_s: int) -> None:
        """Let the clock of the shifted sessions jump, of those that run too."""
        (self.folder / "clock").write_text(f"{offset_s:+d}")

    def remount(self, mode: str) -> bool:
        """Make the disk `ro` or `rw`; False where something still writes on it."""
        words = ["mount", "-o", f"remount,{mode}", str(self.disk)]
        return subprocess.run(words, capture_output=True).returncode == 0

    def payload(self, data: bytes, name: str) -> Release:
        """A release of these bytes."""
        path = self.folder / "model.bin"
        path.write_bytes(data)
        return release({"model.bin": path}, {"name": name})


def digest(made: Release) -> str:
    """sha256 of its one file."""
    return hashlib.sha256(made.files["model.bin"].read_bytes()).hexdigest()


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Place]:
    """A place of its own for one worker; nothing of it stays mounted or running."""
    with contextlib.suppress(FileNotFoundError):
        subprocess.run(["umount", "-l", folder / "disk"], capture_output=True)
        shutil.rmtree(folder)
    disk = folder / "disk"
    disk.mkdir(parents=True)
    key = make_key(folder / "id")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(disk)]
    own_disk = os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0
    clock = f"LD_PRELOAD={FAKETIME} FAKETIME_NO_CACHE=1 FAKETIME_DISABLE_SHM=1 "
    clock += f"FAKETIME_TIMESTAMP_FILE={folder}/clock"
    (folder / "clock").write_text("+0")
    plain = _line(folder, "plain", key, "")
    shifted = _line(folder, "shifted", key, clock if FAKETIME.exists() else "")
    try:
        (folder / "old.bin").write_bytes(b"old" * 20_000)
        old = release({"model.bin": folder / "old.bin"}, {"name": "old"})
        place = Place(folder, disk, key, plain, shifted, old, own_disk)
        slot = Slot(Shell(Local(), "template"), PurePosixPath(disk), "template")
        slot.push(old)
        slot.publish(None, Hooks())
        yield place
    finally:
        for line in (plain, shifted):
            line.proxy.close()
            line.sshd.stop()
        if own_disk:
            subprocess.run(["umount", "-l", str(disk)], capture_output=True)


def _line(folder: Path, name: str, key: Path, environment: str) -> Line:
    lines = (SFTP, f"SetEnv HOME={folder} {environment}", "MaxStartups 100", "UseDNS no")
    sshd = Sshd(folder / name, key, lines=lines)
    return Line(sshd, Proxy(sshd.port))
