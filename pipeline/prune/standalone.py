"""Prune a module without a recipe: what `secateur prune` calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from pipeline.inputs.ports import Ports
from pipeline.models.graph import capture
from pipeline.prune.certify import Samples
from pipeline.prune.engine import prune_graph
from pipeline.prune.evidence import Evidence
from pipeline.prune.planfile import Plan
from pipeline.prune.stage import PruneConfig


def prune_module(
    module: torch.nn.Module,
    ports: Ports | Sequence[int],
    cfg: PruneConfig,
    *,
    inputs: Samples | None = None,
    evidence: Evidence | None = None,
) -> tuple[fx.GraphModule, Plan, dict[str, Any]]:
    """The pruned graph, its plan and the report; the module itself is left as it is.

    `ports` are those of one sample. `inputs` and `evidence` are those of `prune_graph`, whose
    errors are raised here too.
    """
    pruned = prune_graph(capture(module, ports), cfg, inputs=inputs, evidence=evidence)
    return pruned.graph_module, pruned.plan, pruned.report
