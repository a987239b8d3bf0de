"""The plan: what a pruning removes, as JSON that can be read, stored and replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from pipeline.artifacts import digest_of
from pipeline.errors import UsageError
from pipeline.prune.families import Family
from pipeline.prune.planfile import FORMAT, Plan, check


def make(
    graph_module: fx.GraphModule,
    found: Sequence[Family],
    kept: Mapping[str, Tensor],
    settings: Mapping[str, Any],
    before: Mapping[str, int],
) -> Plan:
    """Write down a decision; `before` is the model's cost. Whole families are not in it.

    `folded` is there where weights are computed from parameters: {tensor: where it comes from},
    a part of a parameter, or nothing where its numbers are computed.
    """
    changed = [f for f in found if len(kept[f.name]) < f.width]
    listed = [_family(family, kept[family.name]) for family in changed]
    digest = graph_digest(graph_module)
    folded = graph_module.meta.get("folded", {})
    names = {member["tensor"] for family in listed for member in family["members"]}
    return {
        "plan": FORMAT,
        "graph": digest,
        **({"folded": {n: o for n, o in folded.items() if n in names}} if folded else {}),
        "settings": dict(settings),
        "before": dict(before),
        "families": listed,
    }


def _family(family: Family, kept: Tensor) -> dict[str, Any]:
    members = [
        {"tensor": m.tensor, "axis": m.axis, "positions": ranges(m.positions.reshape(-1))}
        for m in family.members
    ]
    width = {"before": family.width, "after": len(kept)}
    return {"name": family.name, "width": width, "kept": kept.tolist(), "members": members}


def ranges(numbers: Tensor) -> str:
    """Integers as runs, `0:16,32:48`: a member's places, channel after channel."""
    values = numbers.tolist()
    runs: list[list[int]] = []
    for value in values:
        if runs and runs[-1][1] == value:
            runs[-1][1] += 1
        else:
            runs.append([value, value + 1])
    return ",".join(f"{start}:{stop}" for start, stop in runs)


def numbers(text: str) -> Tensor:
    """The integers that `ranges` wrote."""
    pairs = [run.split(":") for run in text.split(",")]
    return torch.tensor([i for start, stop in pairs for i in range(int(start), int(stop))])


def removed(plan: Mapping[str, Any]) -> list[tuple[str, int, Tensor]]:
    """(tensor, axis, places that go) of every member: all that a mask needs."""
    gone = []
    for family in plan["families"]:
        stay = torch.zeros(family["width"]["before"], dtype=torch.bool)
        stay[torch.tensor(family["kept"], dtype=torch.int64)] = True
        for member in family["members"]:
            places = numbers(member["positions"]).reshape(len(stay), -1)
            gone.append((member["tensor"], member["axis"], places[~stay].reshape(-1)))
    return gone


def kept_channels(plan: Mapping[str, Any], found: Sequence[Family]) -> dict[str, Tensor]:
    """{family name: channels that stay} of a plan that fits these families.

    Raises:
        UsageError: a family is unknown, has another width, or would keep impossible channels.
    """
    known = {family.name: family for family in found}
    kept = {}
    for family in plan["families"]:
        name, indices = family["name"], family["kept"]
        if name not in known or known[name].width != family["width"]["before"]:
            raise mismatch(f"family '{name}' is not in this model")
        width = known[name].width
        if indices != sorted(set(indices)) or not set(indices) <= set(range(width)):
            fix = "keep ascending channel numbers below the width"
            raise UsageError(f"family '{name}' keeps impossible channels", where="plan", fix=fix)
        kept[name] = torch.tensor(indices, dtype=torch.int64)
    return kept


def check_fits(plan: Mapping[str, Any], graph_module: fx.GraphModule) -> None:
    """Refuse what is no plan, or one for another model.

    Raises:
        UsageError: says which.
    """
    check(plan)
    if graph_digest(graph_module) != plan["graph"]:
        raise mismatch("its graph differs (the digests are not equal)")


def mismatch(why: str) -> UsageError:
    """The plan belongs to another model."""
    fix = "replay a plan on the model (and arguments) it was made for"
    return UsageError(f"the plan is for another model: {why}", where="plan", fix=fix)


def graph_digest(graph_module: fx.GraphModule) -> str:
    """Digest of a graph's structure: operators, arguments, tensor names and shapes.

    Weights, Python source, paths and torch's own node names have no part in it.
    """
    order = {node: place for place, node in enumerate(graph_module.graph.nodes)}
    state = graph_module.state_dict()
    rows: list[Any] = [graph_module.meta["ports"].to_json()]
    for node in graph_module.graph.nodes:
        shape = list(state[node.target].shape) if node.target in state else None
        target = str(node.target) if node.op in ("call_function", "get_attr") else ""
        rows.append([node.op, target, shape, _plain(node.args, order), _plain(node.kwargs, order)])
    return digest_of(rows)


def _plain(value: Any, order: Mapping[fx.Node, int]) -> Any:
    if isinstance(value, fx.Node):
        return f"%{order[value]}"
    if isinstance(value, list | tuple):
        return [_plain(item, order) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item, order) for key, item in value.items()}
    return repr(value)
