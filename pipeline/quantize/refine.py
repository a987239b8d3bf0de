"""Stages that make a float model easier to quantize; each keeps what it made only if it helps."""

from __future__ import annotations

from pydantic import Field

from pipeline.artifacts import Checkpoint, Workdir
from pipeline.config.base import Config
from pipeline.data.source import Data
from pipeline.stage import stage


class RefineConfig(Config):
    """`samples` are drawn within the train split; a quarter of them judges the result."""

    samples: int = Field(default=64, ge=4)
    seed: int = Field(default=0, ge=0)
    always: bool = Field(default=False, description="keep the result even if it does not help")


@stage(version=1, tools=("torch",))
def equalize(model: Checkpoint, *, data: Data, cfg: RefineConfig, work: Workdir) -> Checkpoint:
    """Move scale between the channels of neighbouring layers; the float function stays."""
    from pipeline.quantize.refinement import run

    return run("equalize", model, data, cfg, work)


@stage(version=1, tools=("torch",))
def correct_bias(model: Checkpoint, *, data: Data, cfg: RefineConfig, work: Workdir) -> Checkpoint:
    """Take from each bias the mean error that quantization adds to its channel."""
    from pipeline.quantize.refinement import run

    return run("correct_bias", model, data, cfg, work)


@stage(version=1, tools=("torch",))
def round_weights(model: Checkpoint, *, data: Data, cfg: RefineConfig, work: Workdir) -> Checkpoint:
    """Round each layer's weights together, so that its output, not each weight, is nearest."""
    from pipeline.quantize.refinement import run

    return run("round_weights", model, data, cfg, work)
