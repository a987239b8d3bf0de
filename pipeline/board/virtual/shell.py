"""Whether a started machine answers, and small commands in it, through the plain ssh program."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.board.virtual.host import search_path
from pipeline.errors import BoardUnreachable

HOST = "127.0.0.1"


def wait_for_sshd(port: int, timeout_s: float, alive: Callable[[], object]) -> bool:
    """Wait until the guest's sshd says its name; False when it does not, or QEMU ends."""
    deadline, patience_s = time.monotonic() + timeout_s, 1.0
    while (left_s := deadline - time.monotonic()) > 0 and alive():
        if _banner(port, min(patience_s, left_s)):
            return True
        patience_s *= 1.5  # the guest may be slow, or may not have been listening yet
        time.sleep(0.1)
    return False


def _banner(port: int, timeout_s: float) -> bool:
    """QEMU itself takes every connection, so only a word from the guest tells that it is there."""
    try:
        with socket.create_connection((HOST, port), timeout_s) as connection:
            connection.settimeout(timeout_s)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def login(user: str, port: int, identity: Path, known_hosts: Path) -> list[str]:
    """The ssh command that logs in, with nothing of the user's own ssh settings."""
    options = [
        "BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=20",
        "ServerAliveInterval=5", "ServerAliveCountMax=3", f"UserKnownHostsFile={known_hosts}",
    ]  # fmt: skip
    flags = [word for option in options for word in ("-o", option)]
    return ["ssh", "-F", "/dev/null", "-i", str(identity), "-p", str(port), *flags,
            f"{user}@{HOST}"]  # fmt: skip


def as_root(port: int, identity: Path, known_hosts: Path, words: str) -> str:
    """Run a command in the guest as root; its stdout. Raises BoardUnreachable."""
    try:
        done = subprocess.run(
            [*login("root", port, identity, known_hosts), words], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, errors="replace", timeout=120,
            env={"PATH": search_path(), "LC_ALL": "C"},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _silent(words, "no end within 120 s", known_hosts) from None
    if done.returncode:
        raise _silent(words, done.stderr.strip()[-300:], known_hosts)
    return done.stdout


def _silent(words: str, reason: str, known_hosts: Path) -> BoardUnreachable:
    name = known_hosts.parent.name
    fix = f"`secateur board reset {name}`"
    return BoardUnreachable(f"`{words}` failed in it: {reason}", where=name, fix=fix)
