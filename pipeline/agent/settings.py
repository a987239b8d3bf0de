"""Settings of the board that a job may ask for, made through the journal."""

from __future__ import annotations

import glob

from .journal import Journal
from .spec import BadSpec

GOVERNORS = "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor"


def set_governor(book: Journal, governor: str, root: str) -> None:
    """Set the cpufreq governor of every policy. Raises BadSpec: not there, or not permitted."""
    paths = sorted(glob.glob(root + GOVERNORS))
    if not paths:
        raise BadSpec("this board has no cpufreq governor to set")
    for path in paths:
        setting = path[len(root) :]
        try:
            book.change(setting, governor)
        except (OSError, RuntimeError) as problem:
            raise BadSpec(f"{setting} cannot be set to {governor!r}: {problem}") from None
