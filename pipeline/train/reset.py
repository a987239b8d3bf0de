"""The same architecture with other weights: fresh ones, or earlier ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.fx import GraphModule

from pipeline.artifacts import Checkpoint, Workdir
from pipeline.errors import Refused, UsageError
from pipeline.inputs.ports import Ports
from pipeline.models.factory import build
from pipeline.models.graph import capture, named_tensors
from pipeline.prune.checkpoint import load, program_of, save_like
from pipeline.prune.rewrite import apply
from pipeline.train.config import ResetConfig


def run_reset(model: Checkpoint, cfg: ResetConfig, work: Workdir) -> Checkpoint:
    """The pruned architecture with fresh weights: the small net from scratch, a baseline.

    Liu et al. (2019, arXiv:1810.05270). The factory's own initialisation is drawn with another
    seed, cut by the same plans, and scaled by sqrt(old / new inputs) of each weight, so that its
    variance is that of a net built small. Masks are dropped.

    Raises:
        Refused: the model comes from a `.pt2` file, which has no initialisation.
    """
    if program_of(model) is not None:
        fix = "start from module:function"
        raise Refused("a .pt2 file cannot give fresh weights", fix=fix)
    source = model.meta["source"]
    seeded = {**source, "seed": source.get("seed", 0) + cfg.seed}
    graph = fresh(build(seeded), model.meta["input"], model.meta["plans"])
    return save_like(work, graph, model, masked=[])


def fresh(
    module: torch.nn.Module, ports: Sequence[Any], plans: Sequence[Mapping[str, Any]]
) -> GraphModule:
    """`module` with its weights as they are, cut by `plans` and scaled to what is left."""
    graph = capture(module, Ports.of(ports))
    dense = {name: _inputs(tensor) for name, tensor in graph.named_parameters()}
    for plan in plans:
        graph = apply(graph, plan)
    with torch.no_grad():
        for name, tensor in graph.named_parameters():
            if tensor.dim() > 1:
                tensor.mul_((dense[name] / _inputs(tensor)) ** 0.5)
    return graph


def rewound(earlier: Checkpoint, model: Checkpoint) -> GraphModule:
    """`model` with the weights that `earlier`, a checkpoint on the way to it, had.

    Rewinding (Renda et al., 2020, arXiv:2003.02389). Plans made since are replayed and the zeros
    of masks put in.

    Raises:
        UsageError: `earlier` is not on the way to `model`.
    """
    before, since = earlier.meta["plans"], model.meta["plans"]
    if earlier.meta["source"] != model.meta["source"] or since[: len(before)] != before:
        fix = "name a step that this one comes from"
        raise UsageError("the checkpoint to rewind to is no earlier state", where="rewind", fix=fix)
    graph = load(earlier)
    for plan in since[len(before) :]:
        graph = apply(graph, plan)
    masked = model.meta.get("masked", ())
    if masked:
        _copy_zeros(load(model), graph, masked)
    return graph


def _copy_zeros(masked: GraphModule, graph: GraphModule, names: list[str]) -> None:
    source, into = named_tensors(masked), named_tensors(graph)
    with torch.no_grad():
        for name in names:
            into[name].masked_fill_(source[name] == 0, 0)


def _inputs(tensor: torch.Tensor) -> float:
    """Numbers that one output sums over."""
    return tensor.numel() / max(len(tensor), 1) if tensor.dim() else 1.0
