"""INA2xx power monitors behind the kernel's `ina2xx` driver (hwmon), in microwatts.

The hwmon number changes from boot to boot: chips are found by `name`.
"""

from __future__ import annotations

import glob

from ..texts import read_stripped

CHIPS = {"ina209", "ina219", "ina220", "ina226", "ina230", "ina231", "ina260"}
FACTS = ("name", "shunt_resistor", "update_interval", "in1_label")


def find(root: str) -> dict[str, dict[str, str]]:
    """`power1_input` of every such chip, with its shunt (uOhm) and update interval (ms)."""
    found = {}
    for folder in sorted(glob.glob(f"{root}/sys/class/hwmon/hwmon*")):
        about = {fact: read_stripped(f"{folder}/{fact}") for fact in FACTS}
        channel = f"{folder}/power1_input"
        if about["name"] in CHIPS and read_stripped(channel) is not None:
            known = {fact: text for fact, text in about.items() if text is not None}
            found[channel[len(root) :]] = known
    return found


def read(root: str, channel: str) -> str | None:
    """Power in uW."""
    return read_stripped(root + channel)
