"""Old values of changed settings, on disk before the change, so that even kill -9 loses none."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator

NAME = "settings.json"


def state_folder(given: str | None) -> str:
    """Where the journal lies: as the host says, else the user's XDG state folder."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return given or os.path.join(base, "secateur", "agent")


class Journal:
    """Settings below `root`, written through a file that holds what they were."""

    def __init__(self, folder: str, root: str) -> None:
        self._path = os.path.join(folder, NAME)
        self._folder, self._root = folder, root
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

    def restore(self) -> None:
        """Write every old value back, byte for byte, and forget it; what fails stays noted."""
        for path, old in list(self._old.items()):
            with contextlib.suppress(OSError):
                _write(self._root + path, old)
                self._old.pop(path)
        self._save(self._old)

    def recover(self) -> None:
        """Restore what a killed agent left, unless another one lives and still measures."""
        if not os.path.exists(self._path):
            return
        try:
            self._take_lock()
        except RuntimeError:
            return
        with open(self._path, encoding="utf-8") as stream:
            self._old = json.load(stream)
        self.restore()
        self.close()

    def close(self) -> None:
        """Give the lock back."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _take_lock(self) -> None:
        """Be the only agent that changes settings; the kernel drops the lock when we die."""
        if self._lock is not None:
            return
        os.makedirs(self._folder, exist_ok=True)
        lock = os.open(os.path.join(self._folder, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise RuntimeError("another measurement has changed this board's settings") from None
        self._lock = lock

    def _save(self, old: dict[str, str]) -> None:
        """Put the journal on disk, or remove an empty one, before anything else happens."""
        self._old = old
        if old:
            temporary = self._path + ".tmp"
            with open(temporary, "w", encoding="utf-8") as stream:
                json.dump(old, stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, self._path)
        elif os.path.exists(self._path):
            os.unlink(self._path)
        else:
            return
        _sync_folder(self._folder)


@contextlib.contextmanager
def opened(folder: str | None, root: str) -> Iterator[Journal]:
    """A journal: what an earlier agent left is restored first, our own changes at the end."""
    journal = Journal(state_folder(folder), root)
    journal.recover()
    try:
        yield journal
    finally:
        if journal._old:
            journal.restore()
        journal.close()


def _write(path: str, value: str) -> None:
    """Write a setting in one go, as sysfs wants it."""
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _sync_folder(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
