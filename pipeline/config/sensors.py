"""Power sensors and meters of the lab file: where they are wired, and how good they are."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from pipeline.config.base import Config

PORT = r"^(/dev/[^\s]+|tcp://[^\s:/]+:\d+)$"


class Stated(Config):
    """What a data sheet (`limits`: "max") or a calibration (`k2`) says, and what is metered.

    `scope` is what the sensor sees, such as "board input" or "SoC rail": figures of two scopes are
    never compared. What is not given comes from the sensor's own data sheet.
    """

    scope: str | None = Field(default=None, min_length=1)
    gain: float | None = Field(default=None, ge=0, lt=1, description="relative: 0.005 for 0.5 %")
    offset_w: float | None = Field(default=None, ge=0)
    resolution_w: float | None = Field(default=None, ge=0)
    averaging_s: float | None = Field(default=None, ge=0, le=5, description="of one reading")
    basis: Literal["limits", "k2"] | None = None


class SensorConfig(Stated):
    """An entry of `[boards.NAME.sensors]`: its key is a sensor, or the label of a rail."""

    use: bool = Field(default=True, description="false: never read it")


class MeterConfig(Stated):
    """A meter that this machine reads: `meter = { kind = "scpi", port = "/dev/ttyUSB0", ... }`."""

    kind: Literal["scpi"]
    port: str = Field(pattern=PORT, description="/dev/ttyUSB0, or tcp://192.0.2.7:5025")
    scope: str = Field(min_length=1)
    gain: float = Field(ge=0, lt=1)
    offset_w: float = Field(ge=0)
    query: list[str] = Field(default=["MEAS:POW?"], min_length=1, max_length=2)
    setup: list[str] = Field(default=[], description="commands before the first reading")
    baud: int = Field(default=9600, ge=300)
    timeout_s: float = Field(default=2.0, gt=0, le=60)
    interval_ms: int = Field(default=100, ge=1)

    @field_validator("query")
    @classmethod
    def _asks(cls, value: list[str]) -> list[str]:
        if not all(text.strip().endswith("?") for text in value):
            raise ValueError('a query ends in "?"; two of them are volts and amperes')
        return value
