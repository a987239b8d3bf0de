"""Depth: whole residual blocks go, those first that change what passes by least."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import fx

from pipeline.errors import Refused
from pipeline.inputs.batch import Batch
from pipeline.models.graph import named_tensors
from pipeline.prune.blocks import Block, apply_blocks, find, without
from pipeline.prune.certify import Samples, compare, provoke, samples, to_float64
from pipeline.prune.cost import BATCH, int8_size, macs, parameters
from pipeline.prune.plan import graph_digest
from pipeline.prune.planfile import FORMAT, Plan
from pipeline.prune.report import layers
from pipeline.prune.shapes import shapes
from pipeline.prune.stage import PruneConfig

COSTS: dict[str, Callable[[fx.GraphModule], int]] = {
    "params": parameters,
    "macs": macs,
    "size": lambda graph: int8_size([list(p.shape) for p in graph.parameters()]),
}


def decide(
    graph_module: fx.GraphModule,
    cfg: PruneConfig,
    settings: Mapping[str, Any],
    inputs: Samples | None,
    history: Sequence[Plan] = (),
) -> Plan:
    """A plan of the blocks that go.

    Raises:
        Refused: there is none, or the budget cannot be met.
    """
    found = find(graph_module)
    if not found:
        what = "nothing can be pruned: no sum of an input and what is computed from it"
        raise Refused(what, fix='prune channels, granularity = "channels"')
    scores = influence(graph_module, found, inputs, cfg)
    order = sorted(range(len(found)), key=lambda place: scores[place])
    before = {name: cost(graph_module) for name, cost in COSTS.items()}
    count = _count(graph_module, found, order, cfg, history or [{"before": before, "blocks": []}])
    if not count:
        raise Refused("nothing to prune: the budget is met by the whole model", fix="ask for more")
    blocks = [_row(graph_module, found[place], scores[place]) for place in sorted(order[:count])]
    return {
        "plan": FORMAT,
        "graph": graph_digest(graph_module),
        "settings": dict(settings),
        "before": before,
        "families": [],
        "blocks": blocks,
    }


def influence(
    graph_module: fx.GraphModule, found: Sequence[Block], inputs: Samples | None, cfg: PruneConfig
) -> list[float]:
    """1 - cosine between what enters a block and what leaves it (Men et al., 2024, ShortGPT,
    arXiv:2403.03853), on real samples where there are some; by lot if the criterion is random.
    """
    if cfg.criterion == "random":
        lot = random.Random(cfg.seed)  # noqa: S311
        return [lot.random() for _ in found]
    x, ports = inputs, graph_module.meta["ports"]
    if x is None:
        generator = torch.Generator().manual_seed(cfg.seed)
        x = ports.draw(4, lambda shape: torch.randn(shape, generator=generator), cfg.seed)
    watch = _Watcher(graph_module, found)
    with torch.no_grad():
        watch.run(*Batch.of(x).tensors().arrays)
    return [watch.scores[block.add] for block in found]


class _Watcher(fx.Interpreter):
    """Scores each sum as it is computed; copies come first, as operators may write in place."""

    def __init__(self, graph_module: fx.GraphModule, found: Sequence[Block]) -> None:
        super().__init__(graph_module)
        self.blocks = {block.add: block for block in found}
        self.scores: dict[fx.Node, float] = {}

    def run_node(self, n: fx.Node) -> Any:
        block = self.blocks.get(n)
        if block is None:
            return super().run_node(n)
        entered: Any = self.env[block.skip]
        entered = entered.flatten(1).double().clone()
        left = super().run_node(n)
        cosine = torch.cosine_similarity(entered, left.flatten(1).double())
        self.scores[n] = round(float(1 - cosine.mean()), 9)
        return left


def _count(
    graph_module: fx.GraphModule,
    found: Sequence[Block],
    order: Sequence[int],
    cfg: PruneConfig,
    history: Sequence[Plan],
) -> int:
    """How many blocks go, lowest scores first, until the budget is met."""
    kind, value = cfg.budget() or ("ratio", 0.5)
    if kind == "ratio":
        gone = sum(len(plan.get("blocks", ())) for plan in history)
        share = 1 - (1 - value) ** cfg.progress
        return max(int((len(found) + gone) * share + 1e-9) - gone, 0)
    whole = history[0]["before"][kind]
    target = value * whole if value < 1 else value
    target = int(whole ** (1 - cfg.progress) * target**cfg.progress)

    def after(count: int) -> int:
        return COSTS[kind](without(graph_module, [found[place] for place in order[:count]]))

    if (least := after(len(found))) > target:
        fix = f"the closest that can be met is {kind} = {least}"
        raise Refused(f"a budget of {target:,} {kind} cannot be met by blocks alone", fix=fix)
    low, high = -1, len(found)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if after(middle) <= target else (middle, high)
    return high


def _row(graph_module: fx.GraphModule, block: Block, score: float) -> dict[str, Any]:
    place = list(graph_module.graph.nodes).index(block.add)
    return {"name": block.name, "sum": place, "zero": list(block.zero), "score": score}


def certify_blocks(
    graph_module: fx.GraphModule, plan: Plan, *, inputs: Samples | None, seed: int
) -> dict[str, Any]:
    """The dense model, its branches silenced by zeros, against the one without them.

    Raises:
        CertificateError: they differ.
    """
    generator = torch.Generator().manual_seed(seed)
    dense = to_float64(graph_module)
    provoke(dense, generator)
    pruned = apply_blocks(dense, plan)
    tensors = named_tensors(dense)
    with torch.no_grad():
        for row in plan["blocks"]:
            for name in row["zero"]:
                tensors[name].zero_()
    error = compare(dense, pruned, samples(graph_module, inputs, generator))
    return {
        "kind": "mask-equivalence",
        "ok": True,
        "max_relative_error": error,
        "uncertified": [],
        "reductions": [],
    }


def report_blocks(
    dense: fx.GraphModule, pruned: fx.GraphModule, plan: Plan, certificate: Mapping[str, Any]
) -> dict[str, Any]:
    """The report, in the form of one about channels."""
    after = {name: cost(pruned) for name, cost in COSTS.items()}
    both = {name: {"before": plan["before"][name], "after": after[name]} for name in COSTS}
    return {
        "families": [],
        "blocks": [{"name": row["name"], "score": row["score"]} for row in plan["blocks"]],
        "layers": layers(dense, pruned, shapes(dense, BATCH), shapes(pruned, BATCH)),
        "params": both["params"],
        "macs": both["macs"],
        "int8_size_estimate": both["size"],
        "frozen": [],
        "unaligned": [],
        "unscored": {},
        "certificate": dict(certificate),
    }
