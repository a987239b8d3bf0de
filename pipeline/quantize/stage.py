"""The stage that decides a scheme and draws its calibration samples."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.artifacts import Model, Quantized, Workdir
from pipeline.config.base import Config
from pipeline.data.source import Data
from pipeline.stage import stage


class QuantizeConfig(Config):
    """`samples` are drawn within the train split; fp32 needs none."""

    scheme: Literal["fp32", "int8"] = "int8"
    samples: int = Field(default=256, ge=1)
    seed: int = Field(default=0, ge=0)


@stage(version=1)
def quantize(model: Model, *, data: Data | None, cfg: QuantizeConfig, work: Workdir) -> Quantized:
    """Choose the scheme of a checkpoint and keep the calibration samples it needs.

    The artifact holds `calibration.npy` (int8 only): float32 (samples, *input) in torch's layout.
    """
    from pipeline.quantize.calibration import run

    return run(model, data, cfg, work)
