"""Axes whose width is no multiple though one was asked for, and whether it could be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import fx

from pipeline.prune.align import Alignment
from pipeline.prune.families import Family
from pipeline.prune.trace import Trace

_WHY = {
    True: "other widths would be multiples, but the plan, its bounds or the criterion say these",
    False: "no widths make a multiple of it and of all axes that hold its channels",
    None: "the search for widths that make a multiple of it ended without an answer",
}


def unaligned(
    pruned: fx.GraphModule, trace: Trace, found: Sequence[Family], plan: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """`[{"axis", "width", "possible", "reason"}]` of the prunable axes that are no multiples.

    Not `possible` is proven (an integer programme has no solution), as for one channel beside two
    tied widths in a projection: 1 + w + w. An axis narrower than the multiple cannot be one, and
    is not listed; the inputs of one group are no tensor.
    """
    multiple, state = plan["settings"]["round_to"], pruned.state_dict()
    axes = [
        (name, axis)
        for name, axis, vector in trace.axes()
        if len(vector) >= multiple
        and bool(trace.labels.find(vector).any())
        and (name, axis) not in trace.grouped
        and state[name].shape[axis] % multiple
    ]
    if not axes:
        return []
    together = Alignment(found, {}, multiple)
    after = {f.name: f.width for f in found}
    after |= {row["name"]: row["width"]["after"] for row in plan["families"]}
    rows = []
    for name, axis in axes:
        width = state[name].shape[axis]
        counts = together.counts_of((name, axis))
        fixed = width - sum(n * after[family] for family, n in counts.items())
        pieces = [f"{n} * " * (n > 1) + str(after[family]) for family, n in counts.items()]
        possible = together.possible((name, axis))
        sum_ = " + ".join([str(fixed)] * (fixed > 0) + pieces)
        reason = f"{_WHY[possible]} ({sum_})"
        row = {"axis": f"{name}:{axis}", "width": width, "possible": possible, "reason": reason}
        rows.append(row)
    return rows
