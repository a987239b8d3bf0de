"""A checkpoint on disk: source, plans and weights; loaded by building, capturing and replaying."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as serialise
from torch import fx

from pipeline.artifacts import Checkpoint, Model, Workdir, write_atomic
from pipeline.errors import UsageError
from pipeline.models import program
from pipeline.models.factory import build
from pipeline.models.graph import capture
from pipeline.prune.rewrite import apply

WEIGHTS = "model.safetensors"
PROGRAM = "source.pt2"


def load(checkpoint: Model) -> fx.GraphModule:
    """Rebuild the graph: the source's model captured, each plan replayed, the weights put in.

    Eval mode, float32, dynamic batch. Equal digests give equal graphs and weights.

    Raises:
        UsageError: the source no longer gives the model that was saved.
    """
    if program_of(checkpoint) is None:
        module = build(checkpoint.meta["source"])
    else:
        module, _ = program.load(checkpoint.file(PROGRAM))
    graph_module = capture(module, checkpoint.meta["input"])
    for plan in checkpoint.meta["plans"]:
        graph_module = apply(graph_module, plan)
    set_weights(graph_module, load_file(checkpoint.file(WEIGHTS)))
    return graph_module


def save(
    work: Workdir,
    graph_module: fx.GraphModule,
    *,
    source: Mapping[str, Any],
    classes: int | None,
    plans: Sequence[Mapping[str, Any]] = (),
    masked: Sequence[str] = (),
    program_file: Path | None = None,
) -> Checkpoint:
    """Write every tensor the graph reads, and seal the artifact.

    `plans` lead from the source's dense model to this graph, oldest first. `masked` names
    tensors whose zeros training keeps. `program_file` is the
    dense model as a `.pt2` file, where there is no factory: it goes into the artifact.
    """
    meta: dict[str, Any] = {"source": dict(source), "input": graph_module.meta["ports"].to_json()}
    meta["classes"] = classes
    if masked:
        meta["masked"] = list(masked)
    # A copy each: safetensors refuses tensors that share memory (tied weights do).
    tensors = {k: v.detach().clone().contiguous() for k, v in graph_module.state_dict().items()}
    write_atomic(work.out / WEIGHTS, serialise(tensors))
    if program_file is not None:
        write_atomic(work.out / PROGRAM, program_file.read_bytes())
    return work.seal(Checkpoint, {**meta, "plans": [dict(plan) for plan in plans]})


def set_weights(graph_module: fx.GraphModule, weights: Mapping[str, torch.Tensor]) -> None:
    """Put weights into a graph whose tensors have the same names and shapes.

    Raises:
        UsageError: a name or a shape differs.
    """
    try:
        graph_module.load_state_dict(dict(weights))
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:200]
        raise UsageError(
            f"the weights do not fit the model: {detail}",
            fix="use the factory and arguments that the weights were trained with",
        ) from error


def program_of(checkpoint: Model) -> Path | None:
    """The `.pt2` file that a checkpoint's dense model comes from, if it does."""
    return checkpoint.file(PROGRAM) if "program" in checkpoint.meta["source"] else None


def save_like(
    work: Workdir,
    graph_module: fx.GraphModule,
    model: Checkpoint,
    *,
    plans: Sequence[Mapping[str, Any]] | None = None,
    masked: Sequence[str] | None = None,
) -> Checkpoint:
    """Save a graph that differs from `model` in its weights, and in what else is given."""
    meta = model.meta
    return save(
        work,
        graph_module,
        source=meta["source"],
        classes=meta["classes"],
        plans=meta["plans"] if plans is None else plans,
        masked=meta.get("masked", ()) if masked is None else masked,
        program_file=program_of(model),
    )
