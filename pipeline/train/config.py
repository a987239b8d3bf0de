"""Settings of the training stages."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.config.base import Config
from pipeline.config.fields import UserPath


class TrainConfig(Config):
    """One run of the loop."""

    epochs: int = Field(default=5, ge=1)
    batch_size: int = Field(default=128, ge=1)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = Field(default=0.1, gt=0, description="peak of the one-cycle schedule")
    weight_decay: float = Field(default=5e-4, ge=0)
    augment: Literal["none", "flip", "flip-shift"] = "none"
    sparsity: float = Field(
        default=0.0, ge=0, description="weight of the group penalty on channels"
    )
    seed: int = 0


class FinetuneConfig(TrainConfig):
    """The same loop after recalibrating batch norm, beside a teacher if one is named."""

    epochs: int = Field(default=3, ge=0, description="0: recalibrate only")
    lr: float = Field(default=0.02, gt=0)
    temperature: float = Field(default=4.0, gt=0, description="softens teacher and student")
    distill: float = Field(default=0.9, ge=0, le=1, description="weight of the teacher in the loss")
    recalibrate: int = Field(default=6400, ge=0, description="samples batch norm is measured on")


class ResetConfig(Config):
    """Fresh weights of another seed."""

    seed: int = Field(default=1, description="added to the seed of [model]")


class CommandConfig(Config):
    """The user's own training script; see `pipeline.train.handover` for its side."""

    script: UserPath
    args: list[str] = []
    timeout_s: float = Field(default=86400, gt=0)
