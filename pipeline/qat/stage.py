"""The stage that trains a model inside its own int8 inference."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.artifacts import Checkpoint, QatCheckpoint, Workdir
from pipeline.data.source import Data
from pipeline.stage import stage
from pipeline.train.config import FinetuneConfig


class QatConfig(FinetuneConfig):
    """The training loop beside a teacher, in int8; `lr` counts in steps of a tensor's own grid."""

    epochs: int = Field(default=2, ge=0, description="0: calibrated ranges, weights rounded")
    optimizer: Literal["sgd", "adamw"] = "adamw"
    lr: float = Field(default=0.1, gt=0, description="peak, in int8 steps of each weight")
    weight_decay: float = Field(default=0.0, ge=0)
    train_samples: int | None = Field(default=None, ge=1, description="a part of train; else all")
    samples: int = Field(default=512, ge=1, description="train samples the ranges start from")
    timeout_s: float = Field(default=1800, gt=0, description="bound of the converter's process")


@stage(
    version=11,
    tools=("torch", "onnx", "onnxscript", "tensorflow", "ai-edge-litert"),
    together=True,
)
def qat(
    model: Checkpoint, *, teacher: Checkpoint | None = None, data: Data, cfg: QatConfig,
    work: Workdir,
) -> QatCheckpoint:  # fmt: skip
    """Train weights and activation scales in the very arithmetic of the int8 file.

    Without a teacher, the model itself in float is one. The artifact holds the weights (on their
    grids) as any checkpoint does, `trained.tflite` (the converted network with them) and
    `quantization.json` (each tensor's scales and zero points, which `convert` takes bit for bit).
    """
    from pipeline.qat.steps import run_qat

    return run_qat(model, teacher, data, cfg, work)
