"""INA2xx power monitors behind the kernel's `ina2xx` driver (hwmon).

The hwmon number changes from boot to boot: chips are found by `name`. A chip has its power in uW,
or, where a driver shows none, bus voltage in mV and current in mA to multiply.
"""

from __future__ import annotations

import glob

from ..texts import read_all, read_stripped

CHIPS = {"ina209", "ina219", "ina220", "ina226", "ina230", "ina231", "ina260"}
FACTS = ("name", "shunt_resistor", "update_interval", "in1_label", "in1_input")
CHANNELS = (("power1_input",), ("in1_input", "curr1_input"))


def find(root: str) -> dict[str, dict[str, str]]:
    """The files of each chip's reading, with its shunt (uOhm), interval (ms) and volts (mV)."""
    found = {}
    for folder in sorted(glob.glob(f"{root}/sys/class/hwmon/hwmon*")):
        about = {fact: read_stripped(f"{folder}/{fact}") for fact in FACTS}
        if about["name"] not in CHIPS:
            continue
        for files in CHANNELS:
            channel = " ".join(f"{folder[len(root) :]}/{name}" for name in files)
            if read_all(root, channel) is not None:
                found[channel] = {fact: text for fact, text in about.items() if text is not None}
                break
    return found


def read(root: str, channel: str) -> str | None:
    """Power in uW, or "mV mA"."""
    return read_all(root, channel)
