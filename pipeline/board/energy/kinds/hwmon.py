"""INA2xx: `power1_input` in uW, or `in1_input` in mV and `curr1_input` in mA.

Sources: Texas Instruments data sheets SBOS448 (INA219), SBOS547 (INA226), SBOS656 (INA260); the
steps of the readings as the kernel's ina2xx driver sets the chips up.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.board.energy.accuracy import Accuracy
from pipeline.board.energy.kinds import About, number, product

COUNTER = False
SHUNT_UOHM = 10_000.0
SHUNT_TOLERANCE = 0.01
BUS_MV = 5000.0


@dataclass(frozen=True)
class Chip:
    """Maximum errors at 25 degC, of gain and of the shunt voltage; the steps of the readings."""

    gain: float
    offset_uv: float
    step_uv: float
    power_steps: float


CHIPS = {
    "ina219": Chip(0.005, 100, 10, 20),
    "ina226": Chip(0.001, 10, 2.5, 25),
    "ina230": Chip(0.005, 50, 2.5, 25),
    "ina231": Chip(0.005, 50, 2.5, 25),
}
ALIKE = {"ina209": "ina219", "ina220": "ina219"}
KNOWN = {*CHIPS, *ALIKE, "ina260"}
INA260 = Accuracy(0.005, 0.025, 0.010, 0.0022, source="INA260 data sheet")


def value(text: str) -> float | None:
    """Watts."""
    return product(text, 1e-6)


def accuracy(about: About) -> Accuracy:
    """The chip's data sheet, and its shunt, whose tolerance the board does not tell."""
    name = about.get("name", "")
    if name == "ina260":
        return INA260
    chip = CHIPS[ALIKE.get(name, name)]
    shunt = number(about.get("shunt_resistor", "")) or SHUNT_UOHM
    volts = (number(about.get("in1_input", "")) or BUS_MV) / 1000
    return Accuracy(
        gain=chip.gain + SHUNT_TOLERANCE,
        offset_w=chip.offset_uv / shunt * volts,
        resolution_w=chip.step_uv / shunt * chip.power_steps,
        averaging_s=(number(about.get("update_interval", "")) or 0.0) / 1000,
        source=f"{name.upper()} data sheet, shunt assumed within 1 %",
    )


def scope(about: About) -> str:
    """The label of a chip that has one; where a loose chip is wired to, only the lab file knows."""
    return about.get("in1_label") or about.get("name", "ina2xx")
