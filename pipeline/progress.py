"""Progress on stderr, so that stdout stays the result; and the log that keeps all of it."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol, TypeVar

from pipeline.paths import state_dir

T = TypeVar("T")


class Watcher(Protocol):
    """Who follows the work of a thread in the place of a terminal."""

    def step(self, label: str, done: int = 0, total: int | None = None) -> None:
        """The work went on. What this raises ends it."""

    def alive(self) -> None:
        """A sign of life, from any thread."""

    def here(self) -> AbstractContextManager[None]:
        """Work of this machine: nothing can come from a board meanwhile."""


_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


def watcher() -> Watcher | None:
    """Who watches this thread; None where its progress goes to the terminal."""
    return _WATCHER.get()


@contextmanager
def watched(by: Watcher) -> Iterator[None]:
    """Let `by` follow what this thread does in the block; nothing of it is shown."""
    token = _WATCHER.set(by)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """Iterate and show a bar with the time left; without a terminal, only iterate."""
    if (by := watcher()) is not None:
        for number, item in enumerate(items):
            by.step(label, number, total)
            yield item
        return
    if not shows():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as bar

    yield from bar(items, label, total, console=Console(stderr=True), transient=True)


@contextmanager
def working(label: str) -> Iterator[None]:
    """A spinner with the time so far, for work that cannot say how far it is."""
    if (by := watcher()) is not None:
        by.step(label)
        with by.here():
            yield
        return
    if not shows():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(label)
        yield


def shows() -> bool:
    """Whether stderr is a terminal that somebody watches, and that is this thread's to draw on."""
    if watcher() is not None:
        return False
    return sys.stderr.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"


def say(text: str) -> None:
    """One line of progress on stderr and in the log."""
    if (by := watcher()) is not None:
        by.step(text)
    elif os.environ.get("RANK", "0") == "0":  # under torchrun, the first process speaks
        print(text, file=sys.stderr, flush=True)
    log_text(text)


@functools.cache
def log_path() -> Path:
    """This process's log file; it is created by the first line."""
    started = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return state_dir() / "logs" / f"{started}-{os.getpid()}.log"


def log_text(text: str) -> None:
    """Add lines to the log. A log that cannot be written never stops the work."""
    try:
        log_path().parent.mkdir(parents=True, exist_ok=True)
        with log_path().open("a") as log:
            log.write(text.rstrip("\n") + "\n")
    except OSError:
        return
