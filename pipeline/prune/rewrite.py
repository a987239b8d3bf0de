"""Physical removal: a graph and a plan become a smaller graph."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx

from pipeline.errors import UsageError
from pipeline.models.graph import named_tensors
from pipeline.prune.blocks import apply_blocks
from pipeline.prune.cost import BATCH
from pipeline.prune.families import Family, cut_outputs, families
from pipeline.prune.plan import check_fits, kept_channels
from pipeline.prune.planfile import check
from pipeline.prune.prepare import prunable
from pipeline.prune.resize import Resizer
from pipeline.prune.shapes import shapes
from pipeline.prune.trace import Trace


def apply(graph_module: fx.GraphModule, plan: Mapping[str, Any]) -> fx.GraphModule:
    """Replay a plan on the graph it belongs to; the graph given is left as it is.

    The same plan on the same weights gives the same result, bit for bit.

    Raises:
        UsageError: this is no plan, or one for another model.
    """
    graph_module = prepared(graph_module, plan)
    if plan.get("blocks"):
        return apply_blocks(graph_module, dict(plan))
    check_fits(plan, graph_module)
    settings = plan["settings"]
    heads = settings.get("granularity") == "heads"
    trace = Trace(graph_module, uncertified=settings.get("allow_uncertified", False), heads=heads)
    return rewrite(graph_module, trace, families(trace, graph_module.state_dict()), plan)


def prepared(graph_module: fx.GraphModule, plan: Mapping[str, Any]) -> fx.GraphModule:
    """The graph that a plan's families are of, see `prepare`.

    Raises:
        UsageError: this is no plan.
    """
    check(plan)
    return prunable(graph_module, plan["settings"].get("round_to", 1))


def rewrite(
    graph_module: fx.GraphModule, trace: Trace, found: list[Family], plan: Mapping[str, Any]
) -> fx.GraphModule:
    """`apply` with a trace of the graph (or of one with other weights) at hand."""
    pruned, resizer = shrunk(graph_module, trace, found, plan)
    _check(pruned, trace, resizer)
    return pruned


def shrunk(
    graph_module: fx.GraphModule, trace: Trace, found: list[Family], plan: Mapping[str, Any]
) -> tuple[fx.GraphModule, Resizer]:
    """`rewrite` before its shapes are checked; for one that runs on data anyway."""
    resizer = Resizer(trace, removed_classes(found, plan))
    _check_left(trace, resizer)
    pruned = copy.deepcopy(graph_module)
    for node in pruned.graph.nodes:
        resizer.update(node)
    tensors = named_tensors(graph_module)
    for name, axis, vector in trace.axes():
        stay = resizer.keep(vector)
        if not bool(stay.all()):
            same = [other for other in tensors if tensors[other] is tensors[name]]  # tied weights
            _shrink(pruned, same, axis, stay)
    pruned.graph.lint()
    pruned.recompile()
    return pruned, resizer


def _check_left(trace: Trace, resizer: Resizer) -> None:
    """A family that is a piece of a layer may go whole, the layer may not."""
    where = [(f"{name}, axis {axis}", vector) for name, axis, vector in trace.axes()]
    for name, vector in [*where, *(("an output of a split", v) for v in cut_outputs(trace))]:
        if len(vector) and not bool(resizer.keep(vector).any()):
            fix = "keep at least one channel"
            raise UsageError(f"the plan leaves nothing of {name}", where="plan", fix=fix)


def removed_classes(found: list[Family], plan: Mapping[str, Any]) -> Tensor:
    """The label classes that a plan removes."""
    kept = kept_channels(plan, found)
    gone = [_without(family, kept[family.name]) for family in found if family.name in kept]
    return torch.cat(gone) if gone else torch.zeros(0, dtype=torch.int64)


def _without(family: Family, kept: Tensor) -> Tensor:
    mask = torch.ones(family.width, dtype=torch.bool)
    mask[kept] = False
    return family.labels[mask]


def _shrink(graph_module: fx.GraphModule, names: list[str], axis: int, stay: Tensor) -> None:
    owners = [graph_module.get_submodule(name.rpartition(".")[0]) for name in names]
    leaves = [name.rpartition(".")[2] for name in names]
    old = getattr(owners[0], leaves[0])
    new = old.detach().index_select(axis, stay.nonzero().flatten()).clone()
    if isinstance(old, torch.nn.Parameter):
        new = torch.nn.Parameter(new, old.requires_grad)
    for owner, leaf in zip(owners, leaves, strict=True):
        setattr(owner, leaf, new)


def _check(pruned: fx.GraphModule, trace: Trace, resizer: Resizer) -> None:
    """Every shape in the new graph must be the one its labels foretell: else it is our bug."""
    held, foretold = shapes(pruned, BATCH), resizer.sizes()
    for node in pruned.graph.nodes:
        expected = foretold.get(node.name)
        tensors = node.op == "call_function" and trace.values[node.name] is not None
        if tensors and not _same(expected, held[node.name]):
            raise RuntimeError(f"{node.name}: {held[node.name]} where {expected} was expected")


def _same(expected: Any, held: Any) -> bool:
    if isinstance(held, torch.Size):
        return list(expected) == list(held)
    pairs = zip(expected, held, strict=True)
    return all(_same(e, h) for e, h in pairs if isinstance(h, torch.Size))
