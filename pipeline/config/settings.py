"""How a measurement runs, and where each value came from."""

from __future__ import annotations

import os
from typing import Any, Literal

from pydantic import Field

from pipeline.config.base import Config
from pipeline.errors import UsageError

RuntimeName = Literal["ai-edge-litert", "tflite-runtime", "tensorflow"]
Regime = Literal["burst", "sustained", "paced"]


class Settings(Config):
    """Settings a flag, the environment, the lab file, a recipe or a target may give.

    None is 'not given here'; the first layer that gives a value wins.
    """

    runtime: RuntimeName | None = None
    threads: int | None = Field(default=None, ge=1)
    affinity: list[int] | None = None
    processes: int | None = Field(default=None, ge=1, description="fresh processes an arm")
    warmup_ms: int | None = Field(default=None, ge=0)
    window_ms: int | None = Field(default=None, ge=1)
    samples: int | None = Field(default=None, ge=0, description="test samples run on the board")
    regime: Regime | None = Field(default=None, description="as fast as it goes, hot, or at a rate")
    rate_hz: float | None = Field(default=None, gt=0, le=100_000, description="requests a second")
    deadline_ms: float | None = Field(default=None, gt=0, description="default: the period")
    soak_limit_s: float | None = Field(default=None, ge=1, description="wait for steady heat")
    governor: str | None = Field(default=None, pattern=r"^[a-z_]+$", description="set and restored")
    energy_blocks: int | None = Field(default=None, ge=0, description="an arm; 0: no energy")
    energy_block_ms: int | None = Field(default=None, ge=1000)
    sensor_interval_ms: int | None = Field(default=None, ge=1)


DEFAULTS = Settings(
    runtime="ai-edge-litert",
    threads=1,
    affinity=[],
    processes=10,
    warmup_ms=200,
    window_ms=300,
    samples=1000,
    regime="burst",
    soak_limit_s=180.0,
    energy_blocks=2,
    energy_block_ms=10_000,
    sensor_interval_ms=100,
)


def from_environment() -> dict[str, Any]:
    """SECATEUR_THREADS=4 and the like; lists are comma-separated."""
    given: dict[str, Any] = {}
    for name in Settings.model_fields:
        text = os.environ.get(f"SECATEUR_{name.upper()}")
        if text is not None:
            given[name] = text.split(",") if name == "affinity" else text
    return given


def resolve_settings(layers: list[tuple[str, Settings]]) -> dict[str, tuple[Any, str]]:
    """{name: (value, layer it came from)}; earlier layers win, the defaults come last.

    A rate asks for the paced regime where no layer before it asks for another one.

    Raises:
        UsageError: the paced regime without a rate.
    """
    resolved: dict[str, tuple[Any, str]] = {}
    for name in Settings.model_fields:
        for origin, layer in [*layers, ("default", DEFAULTS)]:
            value = getattr(layer, name)
            if value is not None:
                resolved[name] = (value, origin)
                break
        else:
            resolved[name] = (None, "default")
    return _paced(resolved)


def _paced(resolved: dict[str, tuple[Any, str]]) -> dict[str, tuple[Any, str]]:
    regime, origin = resolved["regime"]
    rate, rate_origin = resolved["rate_hz"]
    if rate is not None and origin == "default":
        return {**resolved, "regime": ("paced", rate_origin)}
    if rate is None and regime == "paced":
        fix = "give a rate: --rate-hz 30 (or rate_hz = 30 beside it)"
        raise UsageError("regime paced has no rate", where=origin, fix=fix)
    return resolved
