"""How much each family alone matters: the validation metric when a share of it goes.

Li et al. (2017, arXiv:1608.08710) chose what to prune by such curves. Nothing is trained: the
curves rank families, they do not foretell what fine-tuning recovers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import fx

from pipeline.artifacts import Checkpoint
from pipeline.data.source import Data
from pipeline.errors import Refused
from pipeline.inputs.batch import Batch
from pipeline.models.graph import named_tensors
from pipeline.progress import track
from pipeline.prune.checkpoint import load
from pipeline.prune.choose import judged_scores
from pipeline.prune.criteria import needs
from pipeline.prune.evidence import Evidence, scales
from pipeline.prune.families import Family, families
from pipeline.prune.plan import graph_digest
from pipeline.prune.prepare import prunable
from pipeline.prune.rewrite import rewrite
from pipeline.prune.stage import PruneConfig
from pipeline.prune.steps import gather, sample
from pipeline.prune.trace import Trace

FORMAT = 1
BATCH = 256


def scan(
    model: Checkpoint, data: Data, cfg: PruneConfig, ratios: Sequence[float], samples: int
) -> dict[str, Any]:
    """Cut each family alone at each ratio, lowest scores of `cfg.criterion` first, and evaluate.

    The metric is the recipe's, on the first `samples` of the validation split. The document is
    what `scope = "sensitivity"` of a prune step reads.

    Raises:
        Refused: nothing can be pruned.
    """
    graph = prunable(load(model), cfg.multiple)
    trace = Trace(graph, uncertified=cfg.allow_uncertified)
    found = _families(graph, trace, data, cfg)
    if not found:
        raise Refused("nothing can be pruned", fix="`secateur prune` says what holds it")
    each, _ = judged_scores(found, cfg)
    whole = _metric(graph, data, samples)
    jobs = [(f, ratio) for f in found if f.name in each for ratio in sorted(ratios)]
    points: dict[str, list[dict[str, float]]] = {}
    for family, ratio in track(jobs, "sensitivity", len(jobs)):
        width = max(family.width - int(family.width * ratio), 1)
        order = torch.argsort(each[family.name], descending=True, stable=True)
        kept = {"name": family.name, "width": {"before": family.width}}
        plan = {"families": [{**kept, "kept": order[:width].sort().values.tolist()}]}
        value = _metric(rewrite(graph, trace, found, plan), data, samples)
        row = {"ratio": ratio, "width": width, "metric": value}
        points.setdefault(family.name, []).append(row)
    widths = {family.name: family.width for family in found}
    rows = [{"name": name, "width": widths[name], "points": p} for name, p in points.items()]
    return {
        "sensitivity": FORMAT,
        "graph": graph_digest(graph),
        "criterion": cfg.criterion,
        "samples": min(samples, data.count("validation")),
        "metric": whole,
        "families": rows,
    }


def _families(graph: fx.GraphModule, trace: Trace, data: Data, cfg: PruneConfig) -> list[Family]:
    evidence, wanted = Evidence(), needs(cfg.criterion)
    if wanted:
        evidence = gather(graph, data, sample(data, cfg), wanted, cfg.seed)
    evidence = replace(evidence, scales=scales(graph))
    found = families(trace, named_tensors(graph), cfg.seed, evidence)
    return [replace(family, group=cfg.group) for family in found]


def _metric(graph: fx.GraphModule, data: Data, samples: int) -> float:
    count = min(samples, data.count("validation"))
    outputs = np.concatenate(list(_outputs(graph, data, count)))
    return data.metric(outputs, data.targets("validation", slice(0, count)))


def _outputs(graph: fx.GraphModule, data: Data, count: int) -> Iterator[np.ndarray]:
    for start in range(0, count, BATCH):
        x = data.inputs("validation", slice(start, min(start + BATCH, count)))
        with torch.no_grad():
            yield graph(*Batch.of(x).tensors().arrays).numpy()
