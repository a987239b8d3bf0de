"""Prune a graph: trace, choose, rewrite, certify. The one path for steps and commands."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import fx

from pipeline.errors import Refused, UsageError
from pipeline.models.graph import named_tensors
from pipeline.prune.blocks import apply_blocks
from pipeline.prune.certify import Samples, certify
from pipeline.prune.choose import choose, replayed
from pipeline.prune.depth import certify_blocks, decide, report_blocks
from pipeline.prune.evidence import Evidence, scales
from pipeline.prune.families import families
from pipeline.prune.heads import only_heads
from pipeline.prune.plan import check_fits, make
from pipeline.prune.planfile import Plan
from pipeline.prune.prepare import prunable
from pipeline.prune.report import costs_before, frozen, report
from pipeline.prune.resize import Resizer
from pipeline.prune.rewrite import prepared, removed_classes, rewrite
from pipeline.prune.stage import NO_SETTINGS, PruneConfig
from pipeline.prune.trace import Trace


@dataclass(frozen=True)
class Pruned:
    """A pruned graph, the plan that led to it and what the report says."""

    graph_module: fx.GraphModule
    plan: Plan
    report: dict[str, Any]
    seconds: dict[str, float] = field(default_factory=dict)


class Clock:
    """Seconds of the parts of a job."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.perf_counter()

    def lap(self, name: str) -> None:
        """Give the time since the last lap a name."""
        now = time.perf_counter()
        self.seconds[name] = round(now - self._start, 3)
        self._start = now


def prune_graph(
    graph_module: fx.GraphModule,
    cfg: PruneConfig,
    *,
    inputs: Samples | None = None,
    evidence: Evidence | None = None,
    plan: Plan | None = None,
    history: Sequence[Plan] = (),
) -> Pruned:
    """Prune a captured graph (in eval mode), which is left as it is.

    `inputs` (n, *shape) are real samples for the certificate; `evidence` is what criteria know of
    the data, for those that need it. A `plan` is replayed instead of deciding by `cfg`. `history`
    holds the plans that led here, oldest first, where this is a later round of one pruning.

    Raises:
        UsageError: weights are not finite, the criterion is unknown or wrong, or the plan is for
            another model.
        Refused: nothing could be pruned.
        CertificateError: the result would be wrong, a bug of ours.
    """
    _check_finite(graph_module)
    if plan is None:
        graph_module = prunable(graph_module, cfg.multiple)
    else:
        graph_module = prepared(graph_module, plan)
    settings = cfg.model_dump(mode="json", exclude=NO_SETTINGS)
    settings |= {"round_to": cfg.multiple, "scope": cfg.allocation}
    if plan is not None:
        check_fits(plan, graph_module)
        settings = plan["settings"]
        cfg = PruneConfig.model_validate({**settings, "scope": "local"})
    if cfg.granularity == "blocks":
        return _prune_blocks(graph_module, cfg, settings, inputs, plan, history)
    clock = Clock()
    heads = cfg.granularity == "heads"
    trace = Trace(graph_module, uncertified=cfg.allow_uncertified, heads=heads)
    evidence = replace(evidence or Evidence(), scales=scales(graph_module))
    found = families(trace, named_tensors(graph_module), cfg.seed, evidence)
    found = [replace(family, group=cfg.group) for family in found]
    if heads:
        found = only_heads(trace, found)
    if not found:
        raise Refused(f"nothing can be pruned: {_why(trace)}", fix="see the operators it names")
    clock.lap("trace")
    if plan is not None:
        choice = replayed(found, plan)
    else:
        choice = choose(graph_module, trace, found, cfg, history)
    earlier = any(before["families"] for before in history) or cfg.progress < 1
    if not earlier and all(len(choice.kept[f.name]) == f.width for f in found):
        kind, value = cfg.budget() or ("ratio", 0.0)
        what = f"nothing to prune at {kind} {value} with round_to {cfg.multiple}"
        raise Refused(what, fix="ask for more, or use a smaller round_to or min_width")
    before = costs_before(graph_module, trace)
    made = make(graph_module, found, choice.kept, settings, before)
    pruned = rewrite(graph_module, trace, found, made)
    sizes = Resizer(trace, removed_classes(found, made)).sizes()
    clock.lap("prune")
    certificate = certify(graph_module, trace, found, made, inputs=inputs, seed=cfg.seed)
    clock.lap("certify")
    document = report(graph_module, pruned, trace, found, made, sizes, certificate)
    document["unscored"] = dict(choice.unscored)
    return Pruned(pruned, made, document, clock.seconds)


def _prune_blocks(
    graph_module: fx.GraphModule,
    cfg: PruneConfig,
    settings: dict[str, Any],
    inputs: Samples | None,
    plan: Plan | None,
    history: Sequence[Plan],
) -> Pruned:
    clock = Clock()
    made = plan or decide(graph_module, cfg, settings, inputs, history)
    clock.lap("trace")
    pruned = apply_blocks(graph_module, made)
    clock.lap("prune")
    certificate = certify_blocks(graph_module, made, inputs=inputs, seed=cfg.seed)
    clock.lap("certify")
    document = report_blocks(graph_module, pruned, made, certificate)
    return Pruned(pruned, made, document, clock.seconds)


def _check_finite(graph_module: fx.GraphModule) -> None:
    for name, tensor in graph_module.named_parameters():
        if not bool(torch.isfinite(tensor).all()):
            fix = "train again, or load weights that are finite"
            raise UsageError("the weights hold NaN or infinity", where=name, fix=fix)


def _why(trace: Trace) -> str:
    rows = [row for row in frozen(trace) if row["op"] != "output"] or frozen(trace)
    reasons = [f"{row['op']} {row['reason']} {row['source']}".strip() for row in rows]
    return "; ".join(dict.fromkeys(reasons[:3])) or "it has no channels"
