"""Settings of the board that a job may ask for, made through the journal."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Iterator

from . import guard
from .journal import Journal
from .spec import BadSpec

GOVERNORS = "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor"


@contextlib.contextmanager
def governed(book: Journal, governor: str | None, root: str) -> Iterator[None]:
    """The cpufreq governor of every policy, until the block ends; None leaves it alone.

    Raises BadSpec: not there, or not permitted.
    """
    if governor is None:
        yield
        return
    paths = sorted(glob.glob(root + GOVERNORS))
    if not paths:
        raise BadSpec("this board has no cpufreq governor to set")
    with guard.start(book.folder, root):
        try:
            for path in paths:
                _set(book, path[len(root) :], governor)
            yield
        finally:
            book.restore()


def _set(book: Journal, setting: str, governor: str) -> None:
    try:
        book.change(setting, governor)
    except (OSError, RuntimeError) as problem:
        raise BadSpec(f"{setting} cannot be set to {governor!r}: {problem}") from None
