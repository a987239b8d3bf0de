"""Which channels stay: scores, widths that meet the budget, and the best of each family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from pipeline.errors import Refused
from pipeline.prune import allocate
from pipeline.prune.align import Alignment
from pipeline.prune.bounds import bounds
from pipeline.prune.budget import costs, meet
from pipeline.prune.criteria import Unscored, named, scores
from pipeline.prune.curves import by_sensitivity, read
from pipeline.prune.families import Family
from pipeline.prune.plan import kept_channels
from pipeline.prune.planfile import Plan
from pipeline.prune.stage import PruneConfig
from pipeline.prune.trace import Trace

Kept = dict[str, Tensor]
"""{family name: sorted indices of the channels that stay}"""


@dataclass(frozen=True)
class Choice:
    """The channels that stay, and why some families were not judged: {family: reason}."""

    kept: Kept
    unscored: Mapping[str, str]


def choose(
    graph_module: fx.GraphModule,
    trace: Trace,
    found: Sequence[Family],
    cfg: PruneConfig,
    history: Sequence[Plan] = (),
) -> Choice:
    """Decide by `cfg`. A family the criterion cannot judge keeps all its channels.

    Shares are of the model before `history`, the plans of earlier rounds of the same pruning.

    Raises:
        UsageError: the criterion or a family's name is wrong.
        Refused: a bound or the budget cannot be met.
    """
    each, unscored = judged_scores(found, cfg)
    if not each:
        reasons = "; ".join(sorted(set(unscored.values())))
        raise Refused(f"criterion '{cfg.criterion}' can judge no family: {reasons}", fix="use l2")
    judged = [family for family in found if family.name in each]
    widths = _widths(graph_module, trace, judged, each, cfg, history)
    kept = {f.name: torch.arange(f.width) for f in found}
    for family in judged:
        order = torch.argsort(each[family.name], descending=True, stable=True)
        kept[family.name] = order[: widths[family.name]].sort().values
    return Choice(kept, unscored)


def replayed(found: Sequence[Family], plan: Plan) -> Choice:
    """What a plan decided; families it does not name stay whole.

    Raises:
        UsageError: the plan does not fit these families.
    """
    whole = {family.name: torch.arange(family.width) for family in found}
    return Choice({**whole, **kept_channels(plan, found)}, {})


def judged_scores(
    found: Sequence[Family], cfg: PruneConfig
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """{family: its scores}, and {family: why the criterion cannot judge it}."""
    criterion, each, unscored = named(cfg.criterion), {}, {}
    for family in found:
        try:
            each[family.name] = scores(criterion, family)
        except Unscored as error:
            unscored[family.name] = str(error)
    return each, unscored


def _widths(
    graph_module: fx.GraphModule,
    trace: Trace,
    found: Sequence[Family],
    each: Mapping[str, Tensor],
    cfg: PruneConfig,
    history: Sequence[Plan],
) -> allocate.Widths:
    dense = _dense_widths(found, history)
    together = Alignment(found, bounds(found, cfg, dense), cfg.multiple)
    wanted = _scope(graph_module, found, each, cfg, dense)

    def scope(share: float) -> allocate.Widths:
        return together.widths(wanted(share))

    budget = cfg.budget()
    if budget is None:
        return scope(0.0)
    kind, value = budget
    if kind == "ratio":
        share = 1 - (1 - value) ** cfg.progress
        if cfg.allocation != "sensitivity":
            return scope(share)
        whole = sum(dense.values())
        return meet(scope, lambda w: sum(w.values()), whole - int(share * whole), "channels")
    cost = costs(graph_module, trace, found)[kind]
    whole = history[0]["before"][kind] if history else cost({})
    target = value * whole if value < 1 else value
    return meet(scope, cost, int(whole ** (1 - cfg.progress) * target**cfg.progress), kind)


def _dense_widths(found: Sequence[Family], history: Sequence[Plan]) -> allocate.Widths:
    before: allocate.Widths = {}
    for plan in history:
        for family in plan["families"]:
            before.setdefault(family["name"], family["width"]["before"])
    return {family.name: before.get(family.name, family.width) for family in found}


def _scope(
    graph_module: fx.GraphModule,
    found: Sequence[Family],
    each: Mapping[str, Tensor],
    cfg: PruneConfig,
    dense: Mapping[str, int],
) -> allocate.Scope:
    if cfg.allocation == "global":
        return allocate.global_(found, each, dense)
    if cfg.allocation == "isomorphic":
        return allocate.isomorphic(found, each, dense, graph_module)
    if cfg.sensitivity is not None:
        return by_sensitivity(found, dense, read(cfg.sensitivity), cfg.sensitivity)
    return allocate.local(found, dense)
