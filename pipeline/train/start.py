"""The first checkpoint of a recipe: the user's factory, and weights if there are some."""

from __future__ import annotations

import torch
from torch import Tensor

from pipeline.artifacts import Checkpoint, Workdir
from pipeline.config.recipe import ModelConfig
from pipeline.config.resolve import source_digest
from pipeline.errors import UsageError
from pipeline.models.factory import build
from pipeline.models.graph import capture, zeros
from pipeline.prune.checkpoint import save
from pipeline.train.weights import load_weights


def start(cfg: ModelConfig, work: Workdir) -> Checkpoint:
    """Build, load weights, check what comes out, capture.

    Raises:
        UsageError: the weights do not fit, or the model's output has another number of classes.
    """
    source = {
        "factory": cfg.factory,
        "args": cfg.args,
        "seed": cfg.seed,
        "digest": source_digest(cfg.factory),
    }
    module = build(source).eval()
    if cfg.weights is not None:
        load_weights(module, cfg.weights)
    graph = capture(module, cfg.input)
    with torch.no_grad():
        _check_classes(graph(*zeros(graph.meta["ports"], 2).arrays), cfg)
    return save(work, graph, source=source, classes=cfg.classes, plans=[])


def _check_classes(output: object, cfg: ModelConfig) -> None:
    if cfg.classes is None or not isinstance(output, Tensor):
        return
    if output.shape[-1] != cfg.classes:
        what = f"the model's output is {list(output.shape[1:])}, classes is {cfg.classes}"
        raise UsageError(what, where=cfg.factory, fix=f"set classes = {output.shape[-1]}")
