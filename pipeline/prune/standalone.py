"""Prune a module without a recipe: what `secateur prune` calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from pipeline.models.graph import capture
from pipeline.prune.engine import prune_graph
from pipeline.prune.evidence import Evidence
from pipeline.prune.planfile import Plan
from pipeline.prune.stage import PruneConfig


def prune_module(
    module: torch.nn.Module,
    input_shape: Sequence[int],
    cfg: PruneConfig,
    *,
    inputs: Tensor | None = None,
    evidence: Evidence | None = None,
) -> tuple[fx.GraphModule, Plan, dict[str, Any]]:
    """The pruned graph, its plan and the report; the module itself is left as it is.

    `input_shape` is that of one sample. `inputs` and `evidence` are those of `prune_graph`, whose
    errors are raised here too.
    """
    pruned = prune_graph(capture(module, input_shape), cfg, inputs=inputs, evidence=evidence)
    return pruned.graph_module, pruned.plan, pruned.report
