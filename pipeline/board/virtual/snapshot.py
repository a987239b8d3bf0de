"""A machine booted once for each kind of CPU, and kept at the moment its sshd answered.

Starting from there takes two seconds instead of ten.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.board.virtual import qemu, shell
from pipeline.board.virtual.host import run
from pipeline.board.virtual.image import Image
from pipeline.board.virtual.lock import locked
from pipeline.board.virtual.machine import Machine, State
from pipeline.progress import working

BOOT_S = 180.0
# What the first session would otherwise wait for: Python and its modules read from the disk once.
WARM = "python3 -c 'import json, hashlib, subprocess, socket, ctypes'; sync"


class Booting(Machine):
    """A machine in a folder of its own, that becomes the snapshot."""

    def __init__(self, folder: Path) -> None:
        super().__init__("virtual-arm64")
        self.folder = folder
        self.disk = folder / qemu.DISK
        self.known_hosts = folder / "known_hosts"


def copy(image: Image, cpu: str, disk: Path) -> None:
    """Put a copy of this CPU's snapshot at `disk`; the first time, boot for it.

    Raises Refused or BoardUnreachable.
    """
    ready = image.folder / f"ready-{cpu}-{qemu.version()}.qcow2"
    with locked(image.folder / f"{cpu}.lock", f"waiting for another first boot of {cpu}"):
        if not ready.exists():
            with working(f"booting {cpu} for the first time"):
                _boot(image, cpu, ready)
    disk.parent.mkdir(parents=True, exist_ok=True)
    fix = "free some space in the cache folder"
    run(["cp", "--reflink=auto", "--sparse=always", ready, disk], fix=fix)


def _boot(image: Image, cpu: str, ready: Path) -> None:
    machine = Booting(image.folder / f"booting-{cpu}")  # one at a time: we hold the lock
    machine.stop()
    machine.forget()
    machine.folder.mkdir()
    try:
        qemu.make_disk(image, machine.disk)
        state = machine.start(image, State(image.key, cpu, qemu.version(), saved=False))
        shell.wait_for_sshd(state.port, BOOT_S, machine.pid)
        shell.as_root(state.port, image.identity, machine.known_hosts, WARM)
        machine.save()
        machine.stop()
        machine.disk.replace(ready)
    finally:
        machine.stop()
        machine.forget()
