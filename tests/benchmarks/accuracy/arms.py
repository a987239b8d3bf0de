"""The arms: each makes, of a trained network, one with at most a share of its MACs."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

from pipeline.data.source import Data
from pipeline.models.graph import capture
from pipeline.prune.cost import macs
from pipeline.prune.criteria import needs
from pipeline.prune.engine import Pruned, prune_graph
from pipeline.prune.stage import PruneConfig
from pipeline.prune.steps import gather, sample

CRITERIA = ("l2", "fpgm", "bn-scale", "taylor")
SCOPES = ("local", "global", "isomorphic")
DEFAULTS = (
    *(f"{criterion} {scope}" for criterion in CRITERIA for scope in SCOPES),
    "fpgm isomorphic 0.2",
)
"""What could be the default; chosen on validation. A number is the least share of a layer."""
RIVALS = ("torch-pruning local", "torch-pruning global")
SAME = "tests.benchmarks.accuracy.scores:group_magnitude global"
"""Our pruner with the score of the rival, to tell the two apart."""
UNIFORM, RANDOM, SCRATCH = "l2 local", "random local", "from scratch"
HALVINGS = 12


@dataclass(frozen=True)
class Dense:
    """A trained network: `module` and `graph` hold the same weights."""

    module: nn.Module
    graph: fx.GraphModule
    data: Data
    seed: int


def ours(arm: str, dense: Dense, share: float) -> Pruned:
    """`"CRITERION SCOPE [LEAST SHARE]"`, every width allowed, as the rival has it."""
    criterion, scope, *least = arm.split()
    cfg = PruneConfig.model_validate({
        "macs": share, "criterion": criterion, "scope": scope, "round_to": 1, "seed": dense.seed,
        "min_share": float(least[0]) if least else 0.0,
    })  # fmt: skip
    evidence = None
    if wanted := needs(criterion):
        index = sample(dense.data, cfg)
        evidence = gather(dense.graph, dense.data, index, wanted, cfg.seed)
    return prune_graph(dense.graph, cfg, evidence=evidence)


def rival(arm: str, dense: Dense, share: float) -> fx.GraphModule:
    """torch-pruning's group L2 at the smallest ratio that meets the budget."""
    whole = macs(dense.graph)
    low, high, best = 0.0, 1.0, None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        graph = _rival_at(middle, arm.endswith("global"), dense)
        if macs(graph) <= share * whole:
            high, best = middle, graph
        else:
            low = middle
    if best is None:
        raise RuntimeError(f"{arm} meets no budget of {share}")
    return best


def _rival_at(ratio: float, everywhere: bool, dense: Dense) -> fx.GraphModule:
    tp: Any = importlib.import_module("torch_pruning")
    module = copy.deepcopy(dense.module)
    (port,) = dense.graph.meta["ports"]
    shape = port.shape
    head = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    pruner = tp.pruner.BasePruner(
        module,
        torch.zeros(2, *shape),
        tp.importance.GroupMagnitudeImportance(p=2),
        pruning_ratio=ratio,
        global_pruning=everywhere,
        ignored_layers=head,
    )
    pruner.step()
    return capture(module, shape)


def sizes(graph: fx.GraphModule, dense: fx.GraphModule) -> Mapping[str, float]:
    """Shares that stay."""
    count = [sum(p.numel() for p in each.parameters()) for each in (graph, dense)]
    return {"macs": macs(graph) / macs(dense), "params": count[0] / count[1]}
