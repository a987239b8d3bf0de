"""INA3221: mV and mA of one rail. Source: Texas Instruments data sheet SBOS576."""

from __future__ import annotations

from pipeline.board.energy.accuracy import Accuracy
from pipeline.board.energy.kinds import About, number, product

COUNTER = False
SHUNT_UOHM = 10_000.0
SHUNT_TOLERANCE, GAIN = 0.01, 0.0025
OFFSET_UV, STEP_UV, BUS_V = 80.0, 40.0, 5.0


def value(text: str) -> float | None:
    """Watts."""
    return product(text, 1e-6)


def accuracy(about: About) -> Accuracy:
    """The chip and its shunt; the current is read to one step of the shunt's voltage."""
    shunt = number(about.get("shunt_resistor", "")) or SHUNT_UOHM
    return Accuracy(
        gain=GAIN + SHUNT_TOLERANCE,
        offset_w=OFFSET_UV / shunt * BUS_V,
        resolution_w=max(STEP_UV / shunt, 1e-3) * BUS_V,
        averaging_s=(number(about.get("update_interval", "")) or 0.0) / 1000,
        source="INA3221 data sheet, shunt assumed within 1 %, 5 V",
    )


def scope(about: About) -> str:
    """The rail's name on the board's schematic."""
    return about.get("label", "ina3221")
