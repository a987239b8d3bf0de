"""One session at a time on a board: hold a lock while the host lives, then leave nothing of it.

Run as text (`python -c`) with the host's end on stdin and stdout, before the agent is there. The
lock is the kernel's: it goes with this process, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import sys
import time

PATH = "/tmp/secateur.lease"  # noqa: S108 (users of one board have no other folder in common)
SILENCE_S = 40.0
GRACE_S = 3.0
KEEP_S = 30 * 24 * 3600
TAKEN = 75


def opened(path: str) -> int:
    """Descriptor of the lease file, which every user may lock; it is made when it is missing."""
    try:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except FileNotFoundError:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        with contextlib.suppress(PermissionError):
            os.fchmod(fd, 0o666)
        return fd


def sweep(work: str) -> None:
    """End agents that a lost session left, delete its files, and files that nobody used lately."""
    end(work + "/agent/")
    shutil.rmtree(work + "/sessions", ignore_errors=True)
    for folder in ("/agent", "/files", "/sites"):
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(work + folder)):
                half_made = folder == "/sites" and entry.name.endswith(".part")
                if half_made or entry.stat().st_mtime < time.time() - KEEP_S:
                    delete(entry)


def end(marker: str) -> None:
    """Ask the agents to end, so that they restore the board's settings; then make them."""
    limit = time.monotonic() + GRACE_S
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in leftovers(marker):
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        while time.monotonic() < limit and leftovers(marker):
            time.sleep(0.05)


def delete(entry: os.DirEntry[str]) -> None:
    """Delete a file, or a folder with all that is in it."""
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path, ignore_errors=True)
    else:
        os.unlink(entry.path)


def leftovers(marker: str) -> list[int]:
    """Processes that run a program of ours; the marker is in no command line but theirs."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open("/proc/" + name + "/cmdline", "rb") as stream:
            words = stream.read().split(b"\0")
            if any(word.startswith(marker.encode()) for word in words):
                found.append(int(name))
    return found


def wait_for_the_host() -> None:
    """Return when the host closes the line, or has not been heard of for too long."""
    while True:
        ready, _, _ = select.select([0], [], [], SILENCE_S)
        if not ready or not os.read(0, 4096):
            return


def main() -> int:
    """Arguments: our folder on the board, and who takes the lease, since when."""
    work, owner = sys.argv[1:3]
    fd = opened(os.environ.get("SECATEUR_LEASE") or PATH)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(os.pread(fd, 4096, 0).decode(errors="replace").strip() or "somebody", flush=True)
        return TAKEN
    os.ftruncate(fd, 0)
    os.pwrite(fd, owner.encode(), 0)
    sweep(work)
    os.makedirs(work + "/sessions/now")
    print("held", flush=True)
    for name in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):
        signal.signal(name, signal.SIG_IGN)
    wait_for_the_host()
    sweep(work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
