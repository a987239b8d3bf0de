"""The stage that climbs from plain quantization to training in int8 until a budget is met."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from pipeline.artifacts import Checkpoint, Escalated, Workdir
from pipeline.config.base import Config
from pipeline.data.source import Data
from pipeline.qat.stage import QatConfig
from pipeline.stage import stage

Rung = Literal["ptq", "equalize", "mixed", "qat"]
RUNGS: tuple[Rung, ...] = ("ptq", "equalize", "mixed", "qat")


class EscalateConfig(Config):
    """`max_drop` is the budget: how far the metric on validation may fall below the float model's.

    `rungs` are tried in their order, and none after the first that keeps the budget.
    """

    max_drop: float = Field(ge=0)
    rungs: tuple[Rung, ...] = RUNGS
    samples: int = Field(default=256, ge=4, description="calibration samples")
    seed: int = Field(default=0, ge=0)
    qat: QatConfig = QatConfig()

    @field_validator("rungs")
    @classmethod
    def _some_rungs(cls, rungs: tuple[Rung, ...]) -> tuple[Rung, ...]:
        if not rungs or len(set(rungs)) < len(rungs):
            raise ValueError("name one or more rungs, each once")
        return rungs


@stage(version=15, tools=("torch", "onnx", "onnxscript", "tensorflow", "ai-edge-litert"))
def escalate(
    model: Checkpoint, *, teacher: Checkpoint | None = None, data: Data, cfg: EscalateConfig,
    work: Workdir,
) -> Escalated:  # fmt: skip
    """Quantize; if that costs too much, equalise first, then keep layers in float, then train.

    Every rung's file is run over the whole validation split. `meta["escalation"]` tells what each
    cost and gained; an arm with scheme int8 gets the scheme of the rung that was taken.
    """
    from pipeline.escalation.steps import run

    return run(model, teacher, data, cfg, work)
