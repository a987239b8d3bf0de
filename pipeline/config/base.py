"""The model every table of a TOML file derives from."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Frozen, and unknown keys are refused: a misspelt key must never be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
