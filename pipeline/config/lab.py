"""The lab file: what only this user's boards have. It stays out of every repository."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from pipeline.config.base import Config
from pipeline.config.sensors import MeterConfig, SensorConfig
from pipeline.config.settings import Settings
from pipeline.paths import config_dir

DEFAULT_ROOT = "~/.local/share/secateur"


class BoardConfig(Config):
    """One `[boards.NAME]` table; NAME is the target it belongs to."""

    host: str | None = Field(default=None, pattern=r"^[^-\s]\S*$", description="what ssh takes")
    root: str | None = Field(default=None, pattern=r"^(~/|/).", description="our folder there")
    slot: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    on_publish: str | None = Field(default=None, description="run there after a release is current")
    health_cmd: str | None = Field(default=None, description="fails when the app does not work")
    keep_releases: int | None = Field(default=None, ge=2, description="that stay in a slot")
    keep_mb: int | None = Field(default=None, ge=1, description="that a slot's releases may take")
    measure: Settings = Settings()
    sensors: dict[str, SensorConfig] = {}
    meter: MeterConfig | None = None


class LabFile(Config):
    """The lab file."""

    boards: dict[str, BoardConfig] = {}


def lab_path() -> Path:
    """Where the lab file is looked for."""
    return config_dir() / "lab.toml"
