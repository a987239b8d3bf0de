"""QEMU's command line and its start.

`-icount shift=0`: the guest's clock goes on by 1 ns for every instruction it executes, so that a
time measured in the guest is a count of instructions, whatever else this machine does. `restrict`:
the guest reaches nothing; from outside one port of 127.0.0.1 leads to its sshd.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from pipeline.board.virtual.host import EMULATOR, run
from pipeline.board.virtual.image import Image

CPUS = ("cortex-a53", "cortex-a72", "cortex-a76")
MEMORY_MIB = 1024
SNAPSHOT = "ready"
DISK, SOCKET, CONSOLE, PID = "disk.qcow2", "qmp.sock", "console.log", "qemu.pid"


def command(image: Image, cpu: str, *, from_snapshot: bool) -> list[str]:
    """The command that starts a machine; its files are relative to the machine's folder.

    Port 0: the system chooses a free one, and the control socket tells which. `romfile=`: Debian's
    QEMU comes without boot ROMs for network cards.
    """
    network = "user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"
    words = f"""
        -machine virt -cpu {cpu} -smp 1 -m {MEMORY_MIB} -icount shift=0
        -nodefaults -display none -serial file:{CONSOLE} -qmp unix:{SOCKET},server=on,wait=off
        -drive if=none,id=d0,file={DISK},format=qcow2,discard=unmap
        -device virtio-blk-pci,drive=d0
        -netdev {network} -device virtio-net-pci,netdev=n0,romfile=
        -device virtio-rng-pci -daemonize -pidfile {PID}
    """.split()
    files = ["-kernel", str(image.kernel), "-initrd", str(image.initrd)]
    kernel = ["-append", "console=ttyAMA0 quiet loglevel=4"]
    return [EMULATOR, *words, *files, *kernel, *(["-loadvm", SNAPSHOT] if from_snapshot else [])]


def start(image: Image, folder: Path, cpu: str, *, from_snapshot: bool) -> None:
    """Start QEMU on the disk of a folder. Raises Refused with what QEMU said.

    QEMU leaves our session (`-daemonize`): it goes on when we end.
    """
    for name in (SOCKET, PID):
        (folder / name).unlink(missing_ok=True)
    rebase(image, folder / DISK)
    fix = f"`secateur board reset {folder.name}`"
    run(command(image, cpu, from_snapshot=from_snapshot), cwd=folder, fix=fix)


def make_disk(image: Image, disk: Path) -> None:
    """An empty disk over the image's root file system, which stays as it is."""
    fix = "free some space in the cache folder"
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", image.root, "-F", "raw", disk], fix=fix)


def rebase(image: Image, disk: Path) -> None:
    """Say where the image is now: the cache folder may have moved since the disk was made."""
    run(["qemu-img", "rebase", "-u", "-b", image.root, "-F", "raw", disk], fix="")


@functools.cache
def version() -> str:
    """QEMU's version: a snapshot is read only by the QEMU that wrote it."""
    said = run([EMULATOR, "--version"], fix="repair QEMU")
    found = re.search(r"version (\S+)", said)
    return found[1] if found else "unknown"
