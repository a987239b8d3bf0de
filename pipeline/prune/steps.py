"""The prune stage's work: checkpoint in, smaller checkpoint with plan and report out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import fx

from pipeline.artifacts import Checkpoint, Workdir, write_atomic
from pipeline.data.source import Data
from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch
from pipeline.models import program
from pipeline.prune.checkpoint import load, save_like
from pipeline.prune.criteria import needs
from pipeline.prune.engine import Clock, prune_graph
from pipeline.prune.evidence import Evidence, activations
from pipeline.prune.files import write_json
from pipeline.prune.gradients import Part, curvature, gradients, squared_gradients
from pipeline.prune.picture import widths_png
from pipeline.prune.planfile import read
from pipeline.prune.stage import PruneConfig

BATCH = 64
WATCHED = 128
"""Most samples whose activations are watched: they go through in one batch."""
CERTIFIED = 16
"""Real samples in the certificate."""


def run_prune(
    model: Checkpoint, data: Data | None, cfg: PruneConfig, work: Workdir
) -> tuple[Checkpoint, dict[str, Any]]:
    """Load, prune, and write the checkpoint with `plan.json` and `report.json`.

    Beside it comes the report with what has no place in an artifact: source lines and seconds.

    Raises:
        UsageError: the criterion needs data and the recipe has none.
    """
    clock = Clock()
    graph_module = load(model)
    clock.lap("export")
    inputs, evidence = None, None
    if data is not None:
        index = sample(data, cfg)
        graph_module.meta["ports"].check(Batch.of(data.inputs("train", index)), "data")
        inputs = Batch.of(data.inputs("train", index[:CERTIFIED])).tensors()
    plan = None if cfg.plan is None else read(cfg.plan)
    if plan is None and (wanted := needs(cfg.criterion)):
        if data is None:
            fix = "give the recipe a [data] table (or --data), or use l1 or l2"
            raise UsageError(f"criterion '{cfg.criterion}' needs data", fix=fix)
        evidence = gather(graph_module, data, index, wanted, cfg.seed)
    history = model.meta["plans"][len(model.meta["plans"]) - cfg.continues :]
    pruned = prune_graph(
        graph_module, cfg, inputs=inputs, evidence=evidence, plan=plan, history=history
    )
    write_json(work, "plan.json", pruned.plan)
    write_json(work, "report.json", without_sources(pruned.report))
    if cfg.export:
        write_atomic(work.out / "model.pt2", program.save(pruned.graph_module))
        write_atomic(work.out / "widths.png", widths_png(pruned.report["families"]))
    plans = [*model.meta["plans"], pruned.plan]
    made = save_like(work, pruned.graph_module, model, plans=plans)
    return made, {**pruned.report, "seconds": {**clock.seconds, **pruned.seconds}}


def without_sources(report: dict[str, Any]) -> dict[str, Any]:
    """The report without source lines: an artifact holds no path of a machine."""
    rows = [{k: v for k, v in row.items() if k != "source"} for row in report["frozen"]]
    return {**report, "frozen": rows}


def sample(data: Data, cfg: PruneConfig) -> Any:
    """Which train samples criteria look at: `cfg.samples` of them, drawn by the seed."""
    count = data.count("train")
    order = np.random.default_rng(cfg.seed).permutation(count)
    return np.sort(order[: cfg.samples])


def gather(
    graph_module: fx.GraphModule, data: Data, index: Any, wanted: Sequence[str], seed: int
) -> Evidence:
    """What a criterion wants to know, from the train samples that `index` picks."""

    def batches() -> Iterator[Part]:
        for start in range(0, len(index), BATCH):
            part = index[start : start + BATCH]
            x, y = data.inputs("train", part), data.targets("train", part)
            yield Batch.of(x).tensors(), torch.from_numpy(np.asarray(y))

    known: dict[str, Any] = {}
    if "gradient" in wanted:
        known["gradient"] = gradients(graph_module, batches(), data.loss())
    if "squared" in wanted:
        known["squared"] = squared_gradients(graph_module, batches(), data.loss())
    if "curvature" in wanted:
        known["curvature"] = curvature(graph_module, batches(), data.loss(), seed)
    if "activation" in wanted:
        inputs = Batch.of(data.inputs("train", index[:WATCHED])).tensors()
        known["activation"] = activations(graph_module, inputs)
    return Evidence(**known)
