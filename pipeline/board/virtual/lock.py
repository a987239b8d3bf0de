"""One process at a time, whatever the others are."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.progress import working


@contextmanager
def locked(path: Path, label: str) -> Iterator[None]:
    """Hold a file's lock, waiting for whoever has it. The system frees it when a process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with working(label):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield
