"""Raspberry Pi 5: the power management chip's converters, through the firmware's own tool.

Each reading starts a process, so it is taken at most ten times a second: at 50 Hz that alone slows
a workload several times.
"""

from __future__ import annotations

from ..facts import output

COMMAND = "vcgencmd pmic_read_adc"
LEAST_INTERVAL_MS = 100


def find(root: str) -> dict[str, dict[str, str]]:
    """The one channel of a firmware that tells currents."""
    del root
    text = output(COMMAND)
    return {COMMAND: {"name": "pmic"}} if text and "current(" in text else {}


def read(root: str, channel: str) -> str | None:
    """All rails: lines such as `VDD_CORE_A current(7)=1.23400000A`."""
    del root
    return output(channel)
