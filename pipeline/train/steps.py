"""What the train and finetune stages do."""

from __future__ import annotations

from itertools import islice

import torch
from torch import nn
from torch.fx import GraphModule

from pipeline.artifacts import Checkpoint, Workdir
from pipeline.data.source import Data
from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import Ports
from pipeline.models.modes import set_training
from pipeline.progress import track
from pipeline.prune.checkpoint import load, save_like
from pipeline.prune.masks import keeper
from pipeline.train.config import FinetuneConfig, TrainConfig
from pipeline.train.distill import distilled
from pipeline.train.loop import Loss, batches, fit
from pipeline.train.reset import rewound
from pipeline.train.sparsity import penalised


def run_train(model: Checkpoint, data: Data, cfg: TrainConfig, work: Workdir) -> Checkpoint:
    """Train a checkpoint's graph on the recipe's loss."""
    graph = load(model)
    _fit(graph, model, data, _plain(data), cfg, work)
    return save_like(work, graph, model)


def run_finetune(
    model: Checkpoint,
    teacher: Checkpoint | None,
    rewind: Checkpoint | None,
    data: Data,
    cfg: FinetuneConfig,
    work: Workdir,
) -> Checkpoint:
    """Measure batch norm anew, then train; beside a teacher, on its softened outputs too."""
    graph = load(model) if rewind is None else rewound(rewind, model)
    loss = _plain(data)
    if teacher is not None:
        reference = load(teacher)
        _check_teacher(graph, reference, model, data)
        loss = distilled(loss, reference, cfg)
    recalibrate(graph, data, cfg)
    if cfg.epochs:
        _fit(graph, model, data, loss, cfg, work)
    return save_like(work, graph, model)


def _fit(
    graph: GraphModule, model: Checkpoint, data: Data, loss: Loss, cfg: TrainConfig, work: Workdir
) -> None:
    _require_valid(graph, data)
    keep = keeper(graph, model.meta.get("masked", ()))
    fit(graph, data, penalised(loss, graph, cfg.sparsity), cfg, work.scratch, after_step=keep)


def _require_valid(graph: GraphModule, data: Data) -> None:
    """Ids beyond an embedding would end training in the middle; a recipe's data know no embedding.

    Raises:
        UsageError: names the input and the table.
    """
    ports: Ports = graph.meta["ports"]
    if any(port.rows is not None for port in ports):
        ports.check(Batch.of(data.inputs("train")), "data")


@torch.no_grad()
def recalibrate(graph: GraphModule, data: Data, cfg: FinetuneConfig) -> None:
    """Let batch norm's running statistics follow `cfg.recalibrate` train samples.

    Pruning moves the statistics of every layer behind a cut one; measuring them anew recovers
    much of the accuracy before any training (Li et al. 2020, EagleEye, arXiv:2007.02491).
    """
    set_training(graph, True)
    count = cfg.recalibrate // cfg.batch_size
    for x, _ in track(islice(batches(data, cfg, 0), count), "batch norm", count):
        graph(*Batch.of(x).arrays)
    set_training(graph, False)


def _plain(data: Data) -> Loss:
    loss = data.loss()
    return lambda _, outputs, targets: loss(outputs, targets)


def _check_teacher(graph: nn.Module, teacher: nn.Module, model: Checkpoint, data: Data) -> None:
    x = Batch.of(data.inputs("train", slice(0, 2))).tensors()
    with torch.no_grad():
        own, other = graph(*x.arrays).shape, teacher(*x.arrays).shape
    if own != other:
        what = f"the teacher's output is {list(other[1:])}, the student's {list(own[1:])}"
        raise UsageError(what, where=model.meta["source"].get("factory"))
