"""The stage that certifies a deployable; what fails here goes to no board."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipeline.artifacts import Certificate, Deployable, Model, Score, Workdir
from pipeline.config.base import Config
from pipeline.data.source import Data
from pipeline.stage import stage

Runtime = Literal["ai-edge-litert", "tflite-runtime", "tensorflow"]


class VerifyConfig(Config):
    """Bounds, and the runtimes they are checked in.

    A runtime in `required` (those of the target) must pass; another one is only reported.
    `samples` are drawn within validation. The int8 bound is low on purpose: it finds files that
    are broken, while `min_agreement` judges what quantization cost.
    """

    samples: int = Field(default=256, ge=1)
    runtimes: tuple[Runtime, ...] = ("ai-edge-litert", "tflite-runtime", "tensorflow")
    required: tuple[Runtime, ...] = ("ai-edge-litert",)
    test_samples: dict[Runtime, int] = Field(
        default={"tflite-runtime": 1000, "tensorflow": 200},
        description="where accuracy takes fewer than all",
    )
    min_sqnr_float_db: float = 60
    min_sqnr_fp16_db: float = 30
    min_sqnr_int8_db: float = 5
    min_agreement: float = Field(default=0.9, ge=0, le=1)
    timeout_s: float = Field(default=1800, gt=0)


class ScoreConfig(Config):
    """`samples` are drawn within validation."""

    samples: int = Field(default=256, ge=1)


@stage(version=1, tools=("torch",))
def score(model: Model, *, before: Model, data: Data, cfg: ScoreConfig, work: Workdir) -> Score:
    """What a step cost or gained: metric and outputs of a model beside the one it was made from.

    Its `meta`: `metric` and `metric_before` (None where the data has no metric for these outputs),
    `sqnr_db` of the outputs against those before, `n`.
    """
    from pipeline.verify.score import run

    return run(model, before, data, cfg, work)


@stage(version=2, tools=("torch", "ai-edge-litert"))
def verify(
    model: Deployable, *, reference: Model, data: Data, cfg: VerifyConfig, work: Workdir
) -> Certificate:
    """Compare a deployable with its torch reference, runtime by runtime, over real samples.

    The artifact holds `certificate.json`, which is also its `meta`.
    """
    from pipeline.verify.certify import run

    return run(model, reference, data, cfg, work)
