"""What a pruning did, in numbers, and what it could not touch, with the reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, fx

from pipeline.models.torch_errors import user_line
from pipeline.prune.cost import int8_size, macs_by_node, parameters
from pipeline.prune.families import Family
from pipeline.prune.rules import name_of
from pipeline.prune.trace import Trace
from pipeline.prune.unaligned import unaligned


def report(
    dense: fx.GraphModule,
    pruned: fx.GraphModule,
    trace: Trace,
    found: Sequence[Family],
    plan: Mapping[str, Any],
    sizes: Mapping[str, Any],
    certificate: Mapping[str, Any],
) -> dict[str, Any]:
    """The report as JSON, of what was reached, not asked for; `sizes` are the pruned shapes.

    `frozen[].source` is a line of the user's code, and machine-dependent.
    """
    by_layer = layers(dense, pruned, trace.sizes, sizes)
    return {
        "families": widths(plan),
        "layers": by_layer,
        "params": {"before": plan["before"]["params"], "after": parameters(pruned)},
        "macs": {
            "before": plan["before"]["macs"],
            "after": sum(macs_by_node(pruned, sizes).values()),
        },
        "int8_size_estimate": {
            "before": plan["before"]["size"],
            "after": int8_size(_shapes(pruned)),
        },
        "frozen": frozen(trace),
        "unaligned": unaligned(pruned, trace, found, plan),
        "certificate": dict(certificate),
    }


def costs_before(dense: fx.GraphModule, trace: Trace) -> dict[str, int]:
    """What a graph costs before it is cut, as plans hold it: params, macs, size in bytes."""
    macs = sum(macs_by_node(dense, trace.sizes).values())
    size = int8_size(_shapes(dense))
    return {"params": parameters(dense), "macs": macs, "size": size}


def _shapes(graph_module: fx.GraphModule) -> list[list[int]]:
    return [list(parameter.shape) for parameter in graph_module.parameters()]


def widths(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`[{"name", "before", "after"}]` of the families that a plan cuts."""
    return [{"name": f["name"], **f["width"]} for f in plan["families"]]


def layers(
    dense: fx.GraphModule,
    pruned: fx.GraphModule,
    old_sizes: Mapping[str, Any],
    new_sizes: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """What each layer that computes comes to: shape of its weight, parameters, MACs."""
    before, after = macs_by_node(dense, old_sizes), macs_by_node(pruned, new_sizes)
    states = [module.state_dict() for module in (dense, pruned)]
    new = {node.name: node for node in pruned.graph.nodes}
    rows = []
    for node in dense.graph.nodes:
        if node.name not in before:
            continue
        name, old_shape = _weight(states[0], node)
        new_shape = _weight(states[1], new[node.name])[1] if node.name in new else []
        pair = {"before": math.prod(old_shape), "after": math.prod(new_shape) if new_shape else 0}
        rows.append({
            "layer": name,
            "op": name_of(node),
            "weight": {"before": old_shape, "after": new_shape},
            "params": pair if old_shape else {"before": 0, "after": 0},
            "macs": {"before": before[node.name], "after": after.get(node.name, 0)},
        })  # fmt: skip
    return rows


def _weight(state: Mapping[str, Tensor], node: fx.Node) -> tuple[str, list[int]]:
    held = [str(arg.target) for arg in node.all_input_nodes if arg.op == "get_attr"]
    learned = [name for name in held if name in state and state[name].dim() > 1]
    return (learned[0], list(state[learned[0]].shape)) if learned else (node.name, [])


def frozen(trace: Trace) -> list[dict[str, str]]:
    """One row for each axis and operator that holds it fixed."""
    owners = trace.owners()
    nodes = {node.name: node for node in trace.graph_module.graph.nodes}
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for freeze in trace.freezes:
        roots = trace.labels.classes(trace.labels.root(freeze.labels))
        for axis in dict.fromkeys(owners[root] for root in roots if root in owners):
            row = {"axis": axis, "op": freeze.op, "source": source(nodes[freeze.node])}
            rows.setdefault((axis, freeze.node), {**row, "reason": freeze.reason})
    return list(rows.values())


def source(node: fx.Node) -> str:
    """The line of the user's code that called the operator, or nothing."""
    return user_line(node.meta.get("stack_trace") or "")
