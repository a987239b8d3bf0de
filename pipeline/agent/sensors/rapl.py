"""RAPL energy counters of x86 CPU packages (Linux powercap), in microjoules that wrap.

Only packages: `core` and `uncore` are parts of them, and adding them would count twice.
"""

from __future__ import annotations

import glob

from ..texts import read_stripped

ZONES = "/sys/class/powercap/intel-rapl:*"


def find(root: str) -> dict[str, dict[str, str]]:
    """Package zones by their `energy_uj` path, with name and the value at which they wrap."""
    found = {}
    for zone in sorted(glob.glob(root + ZONES)):
        name = read_stripped(f"{zone}/name")
        limit = read_stripped(f"{zone}/max_energy_range_uj")
        if name and limit and name.startswith("package"):
            about = {"name": name, "max_energy_range_uj": limit}
            found[f"{zone[len(root) :]}/energy_uj"] = about
    return found


def read(root: str, channel: str) -> str | None:
    """Counter in uJ (root may be needed: the kernel hides it from others)."""
    return read_stripped(root + channel)
