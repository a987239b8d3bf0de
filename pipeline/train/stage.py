"""The stages that make or change weights: load, train, finetune, command."""

from __future__ import annotations

from pipeline.artifacts import Checkpoint, Workdir
from pipeline.config.recipe import ModelConfig
from pipeline.data.source import Data
from pipeline.stage import stage
from pipeline.train.config import CommandConfig, FinetuneConfig, ResetConfig, TrainConfig


@stage(version=1, tools=("torch",))
def load(*, cfg: ModelConfig, work: Workdir) -> Checkpoint:
    """Build the recipe's model, with its weights where it names some."""
    from pipeline.train.start import start

    return start(cfg, work)


@stage(version=2, tools=("torch",), together=True)
def train(model: Checkpoint, *, data: Data, cfg: TrainConfig, work: Workdir) -> Checkpoint:
    """Train every weight on the train split."""
    from pipeline.train.steps import run_train

    return run_train(model, data, cfg, work)


@stage(version=2, tools=("torch",), together=True)
def finetune(
    model: Checkpoint,
    *,
    teacher: Checkpoint | None = None,
    rewind: Checkpoint | None = None,
    data: Data,
    cfg: FinetuneConfig,
    work: Workdir,
) -> Checkpoint:
    """Recover what pruning cost: recalibrate batch norm, then train beside the teacher.

    With `rewind`, a step on the way to this one, it starts from the weights of then.
    """
    from pipeline.train.steps import run_finetune

    return run_finetune(model, teacher, rewind, data, cfg, work)


@stage(version=1, tools=("torch",))
def reset(model: Checkpoint, *, cfg: ResetConfig, work: Workdir) -> Checkpoint:
    """Give the architecture fresh weights: with a train step, the small net from scratch."""
    from pipeline.train.reset import run_reset

    return run_reset(model, cfg, work)


@stage(version=1, tools=("torch",))
def command(model: Checkpoint, *, cfg: CommandConfig, work: Workdir) -> Checkpoint:
    """Hand the model to the user's own script and take its weights back."""
    from pipeline.train.command import run_command

    return run_command(model, cfg, work)
