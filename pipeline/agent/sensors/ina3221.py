"""INA3221 power monitors: three rails a chip, voltage and current each and no power file.

Jetson modules have one or more of them, with rail names such as VDD_IN in `in*_label`. The chip is
found by `name`, once by its class folder, or on older kernels by its place below the I2C driver.
"""

from __future__ import annotations

import glob
import os

from ..texts import read_all, read_stripped

FOLDERS = ("/sys/class/hwmon/hwmon*", "/sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*")
RAILS = (1, 2, 3)
UNWIRED = {"", "NC"}


def find(root: str) -> dict[str, dict[str, str]]:
    """The voltage and current file of each rail that is on, with its label and shunt (uOhm)."""
    found, seen = {}, set()
    for folder in sorted(path for pattern in FOLDERS for path in glob.glob(root + pattern)):
        real = os.path.realpath(folder)
        if real in seen or read_stripped(f"{folder}/name") != "ina3221":
            continue
        seen.add(real)
        for rail in RAILS:
            channel = " ".join(
                f"{folder[len(root) :]}/{kind}{rail}_input" for kind in ("in", "curr")
            )
            about = _about(folder, rail)
            if about is not None and read_all(root, channel) is not None:
                found[channel] = about
    return found


def read(root: str, channel: str) -> str | None:
    """One rail's "mV mA", the two read one right after the other."""
    return read_all(root, channel)


def _about(folder: str, rail: int) -> dict[str, str] | None:
    """What is fixed about a rail; None where it is off or not connected."""
    label = read_stripped(f"{folder}/in{rail}_label")
    if read_stripped(f"{folder}/in{rail}_enable") == "0" or label in UNWIRED:
        return None
    facts = {
        "name": "ina3221",
        "label": label or f"channel {rail}",
        "shunt_resistor": read_stripped(f"{folder}/shunt{rail}_resistor"),
        "update_interval": read_stripped(f"{folder}/update_interval"),
    }
    return {fact: text for fact, text in facts.items() if text is not None}
