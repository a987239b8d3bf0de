"""The stage that decides a scheme and draws its calibration samples."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.artifacts import Model, Quantized, Workdir
from pipeline.config.base import Config
from pipeline.data.source import Data
from pipeline.quantize import refine  # noqa: F401 - its stages are declared with ours
from pipeline.stage import stage

Scheme = Literal["fp32", "fp16", "dynamic", "int8", "mixed"]
Calibration = Literal["minmax", "percentile", "mse", "entropy", "best"]
Serves = Literal["any", "ai-edge-litert", "tflite-runtime"]


class QuantizeConfig(Config):
    """`samples` are drawn within the train split, for int8 and mixed.

    `calibration` turns what they show into ranges; `best` tries every method and keeps the one
    with the least output error on samples that set no range, each quarter in its turn.
    `min_sqnr_db` is what mixed keeps layers in float for. `max_drop` is what an arm with scheme
    auto may lose of the metric, on validation and against its own float file. `runtime` is the
    only one that the file has to serve, if there is one: tflite-runtime computes a grouped int8
    convolution faster as one a group; everywhere else, and where any may load it, it is one.
    """

    scheme: Scheme = "int8"
    calibration: Calibration = "best"
    samples: int = Field(default=256, ge=1)
    seed: int = Field(default=0, ge=0)
    min_sqnr_db: float = 15
    runtime: Serves = "any"
    max_drop: float = Field(default=0.01, ge=0)


@stage(version=3)
def quantize(model: Model, *, data: Data | None, cfg: QuantizeConfig, work: Workdir) -> Quantized:
    """Choose the scheme of a checkpoint and keep the calibration samples it needs.

    The artifact holds `calibration.npy` (int8 and mixed; .npz of several inputs): samples in
    torch's layout.
    """
    from pipeline.quantize.calibration import run

    return run(model, data, cfg, work)
