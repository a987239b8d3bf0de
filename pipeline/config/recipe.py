"""The tables of a recipe file."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline.config.base import Config
from pipeline.config.fields import Inputs, Reference, UserPath
from pipeline.config.settings import Settings

SCHEMES = ("fp32", "fp16", "dynamic", "int8", "mixed")


class ModelConfig(Config):
    """Where the model comes from: a factory, and weights unless it is trained here."""

    factory: Reference
    args: dict[str, Any] = {}
    weights: UserPath | None = None
    input: Inputs = Field(description="shape of one sample as torch sees it, or one an input")
    classes: int | None = Field(default=None, ge=1)
    seed: int = 0


class TaskConfig(Config):
    """Loss and metric; classification is built in."""

    loss: Reference | None = None
    metric: Reference | None = None


class DataConfig(Config):
    """Where the samples come from: exactly one of source, folder, npz and function."""

    source: Literal["fashion-mnist"] | None = None
    folder: UserPath | None = None
    npz: UserPath | None = None
    function: Reference | None = None
    mean: list[float] = [0.0]
    std: list[float] = [1.0]
    validation: float = Field(
        default=0.1, gt=0, lt=1, description="share of train, if none is given"
    )
    seed: int = 0

    @model_validator(mode="after")
    def _one_source(self) -> DataConfig:
        given = [n for n in ("source", "folder", "npz", "function") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError(
                "give exactly one of source, folder, npz, function"
                f" (got {', '.join(given) or 'none'})"
            )
        return self


class ArmConfig(Config):
    """One model that is measured: a step's checkpoint in one scheme. The first is the baseline."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")
    source: str = Field(alias="from")
    scheme: Literal["fp32", "fp16", "dynamic", "int8", "mixed", "auto"] = "int8"

    def expanded(self) -> list[ArmConfig]:
        """The arms that are measured: of `auto`, one a scheme, among which the session chooses."""
        if self.scheme != "auto":
            return [self]
        named = [(f"{self.name} {scheme}", scheme) for scheme in SCHEMES]
        return [self.model_copy(update={"name": n, "scheme": scheme}) for n, scheme in named]


class RecipeFile(Config):
    """All tables; `pipeline.recipe` checks the steps against their stages."""

    model: ModelConfig
    data: DataConfig
    task: TaskConfig = TaskConfig()
    quantize: dict[str, Any] = {}
    verify: dict[str, Any] = {}
    measure: Settings = Settings()
    step: list[dict[str, Any]] = []
    arm: list[ArmConfig] = Field(min_length=1)
