"""One process of this machine at a time at a place on a board; the others wait, and say so."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator

from pipeline.artifacts import digest_of
from pipeline.paths import cache_dir
from pipeline.progress import say


@contextlib.contextmanager
def alone(place: str) -> Iterator[None]:
    """Hold a lock for the block; the kernel drops it however this process ends."""
    path = cache_dir() / "locks" / f"slot-{digest_of(place)[:16]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{place}: waiting for another command of this machine")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
