"""Old values of changed settings, on disk before the change, so that even kill -9 loses none.

Stands alone: `secateur doctor` runs this text by itself (`python -c`) to restore what a killed
measurement left.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

NAME = "settings.json"
BOOT = "/proc/sys/kernel/random/boot_id"
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
WAIT_S = 3.0
PAUSE_S = 0.05


def state_folder(given: str | None) -> str:
    """Where the journal lies: as the host says, else the user's XDG state folder."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return given or os.path.join(base, "secateur", "agent")


class Journal:
    """Settings below `root`, written through a file that holds what they were.

    The file is `{"boot": id, "old": {path: text}}`: settings in /sys do not outlive a restart, so
    those of another boot are forgotten, not restored over what the user has set since.
    """

    def __init__(self, folder: str, root: str) -> None:
        self._path = os.path.join(folder, NAME)
        self.folder, self._root = folder, root
        self._old: dict[str, str] = {}
        self._lock: int | None = None

    def change(self, path: str, value: str) -> None:
        """Note the old value on disk, then write the new one. Raises OSError, RuntimeError."""
        self._take_lock()
        with open(self._root + path, encoding="utf-8") as stream:
            old = stream.read()
        if path not in self._old:
            self._save({**self._old, path: old})
        _write(self._root + path, value)

    def restore(self) -> dict[str, str]:
        """Write every old value back, byte for byte, and forget it; what fails stays noted.

        Returns what was restored. No signal that ends a job cuts it short.
        """
        restored = {}
        held = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            for path, old in list(self._old.items()):
                with contextlib.suppress(OSError):
                    _write(self._root + path, old)
                    restored[path] = self._old.pop(path)
            self._save(self._old)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, held)
        return restored

    def recover(self, wait_s: float = 0.0) -> dict[str, str]:
        """Restore what a killed agent left, unless another one lives and still measures.

        Its guard may be at it just now: that is waited for, `wait_s` long.
        """
        end = time.monotonic() + wait_s
        while os.path.exists(self._path):
            try:
                self._take_lock()
            except RuntimeError:
                if time.monotonic() >= end:
                    return {}
                time.sleep(PAUSE_S)
                continue
            self._old = self.noted()
            restored = self.restore()
            self.close()
            return restored
        return {}

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def noted(self) -> dict[str, str]:
        """The old values on disk, of this boot; a file that is no journal is put aside."""
        try:
            with open(self._path, encoding="utf-8") as stream:
                noted = json.load(stream)
            boot, old = noted["boot"], {str(k): str(v) for k, v in noted["old"].items()}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError):
            os.replace(self._path, self._path + ".corrupt")
            return {}
        return old if boot == self._boot() else {}

    def _boot(self) -> str:
        """The kernel's name of this boot; empty below a root that has none."""
        with contextlib.suppress(OSError), open(self._root + BOOT, encoding="ascii") as stream:
            return stream.read().strip()
        return ""

    def _take_lock(self) -> None:
        """Be the only agent that changes settings; the kernel drops the lock when we die."""
        if self._lock is not None:
            return
        os.makedirs(self.folder, exist_ok=True)
        lock = os.open(os.path.join(self.folder, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise RuntimeError("another measurement has changed this board's settings") from None
        self._lock = lock

    def _save(self, old: dict[str, str]) -> None:
        """Put the journal on disk, or remove an empty one, before anything else happens.

        Written aside, synced, renamed, and the folder synced: a power cut leaves the one before or
        this one, whole.
        """
        self._old = old
        if old:
            temporary = self._path + ".tmp"
            with open(temporary, "w", encoding="utf-8") as stream:
                json.dump({"boot": self._boot(), "old": old}, stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, self._path)
        elif os.path.exists(self._path):
            os.unlink(self._path)
        else:
            return
        _sync_folder(self.folder)


@contextlib.contextmanager
def opened(folder: str | None, root: str) -> Iterator[Journal]:
    """A journal: what an earlier agent left is restored first, our own changes at the end."""
    journal = Journal(state_folder(folder), root)
    journal.recover(WAIT_S)
    try:
        yield journal
    finally:
        if journal._old:
            journal.restore()
        journal.close()


def _write(path: str, value: str) -> None:
    """Write a setting in one go, as sysfs wants it; by `sudo` where we alone may not.

    Raises OSError, also where sudo would ask for a password.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    except PermissionError:
        _write_by_sudo(path, value)
        return
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _write_by_sudo(path: str, value: str) -> None:
    try:
        done = subprocess.run(
            ["sudo", "-n", "tee", path], input=value.encode(), timeout=WAIT_S,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired):
        raise PermissionError(13, "needs root", path) from None
    if done.returncode:
        raise PermissionError(13, "needs root, or sudo without a password", path)


def _sync_folder(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def main() -> int:
    """Print what was `restored`, and what is still `left`, as JSON (for `secateur doctor`)."""
    journal = Journal(state_folder(sys.argv[1] if len(sys.argv) > 1 else None), "")
    restored = journal.recover(WAIT_S)
    print(json.dumps({"restored": restored, "left": journal.noted()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
