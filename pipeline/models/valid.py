"""Which integers a graph takes: rows of the tables it looks up, or what it runs with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree

from pipeline.errors import UsageError
from pipeline.inputs.ports import Ports

aten = torch.ops.aten
FAILS, RUNS, FINITE = range(3)
MOVES = frozenset({
    aten.view.default, aten.reshape.default, aten.unsqueeze.default, aten.squeeze.dim,
    aten.permute.default, aten.transpose.int, aten.expand.default, aten.contiguous.default,
    aten.clone.default, aten.to.dtype, aten._to_copy.default, aten.flatten.using_ints,
    aten.slice.Tensor, aten.select.int,
})  # fmt: skip
"""What hands integers on as they are."""


def bounded(graph_module: fx.GraphModule, ports: Ports) -> Ports:
    """The ports, with `rows` and `fill` where an integer input needs them to be drawn."""
    if all(port.is_float for port in ports):
        return ports
    holders = [node for node in graph_module.graph.nodes if node.op == "placeholder"]
    found = Ports(
        port if port.is_float else replace(port, rows=_rows(graph_module, holder))
        for port, holder in zip(ports, holders, strict=True)
    )
    answers = {tried: _answer(graph_module, tried) for tried in _tries(found)}
    for wanted in (FINITE, RUNS):
        for tried, answer in answers.items():
            if answer >= wanted:
                return tried
    what = f"the model runs neither with zeros nor with ones: {found}"
    raise UsageError(what, fix="check the dtype of each --input")


def _rows(graph_module: fx.GraphModule, holder: fx.Node) -> int | None:
    """Rows of the table that an input looks up as it is; None where its columns look up several."""
    state = graph_module.state_dict()
    found: set[int] = set()
    for node in _readers(holder):
        for table, index, axis in _lookups(node):
            if index in {holder, *_handed(holder)} and table.target in state:
                found.add(int(state[table.target].shape[axis]))
    return found.pop() if len(found) == 1 else None


def _lookups(node: fx.Node) -> Iterator[tuple[Any, Any, int]]:
    """Tables that a node looks up, by which index, and along which axis."""
    args: Any = node.args
    if node.target is aten.embedding.default:
        yield args[0], args[1], 0
    elif node.target is aten.index_select.default:
        yield args[0], args[2], args[1]
    elif node.target is aten.index.Tensor:
        yield from ((args[0], index, axis) for axis, index in enumerate(args[1]))


def _handed(holder: fx.Node) -> set[fx.Node]:
    """Nodes that hold an input's values, moved at most."""
    seen, left = set(), [holder]
    while left:
        for user in left.pop().users:
            if user.target in MOVES and user not in seen:
                seen.add(user)
                left.append(user)
    return seen


def _readers(holder: fx.Node) -> Iterator[fx.Node]:
    for node in (holder, *_handed(holder)):
        yield from node.users


def _tries(ports: Ports) -> Iterator[Ports]:
    """Zeros and ones, then ones, then zeros, for inputs that look up no table we know."""
    for fill in (None, 1, 0):
        yield Ports(
            port if port.is_float or port.rows is not None else replace(port, fill=fill)
            for port in ports
        )


def _answer(graph_module: fx.GraphModule, ports: Ports) -> int:
    try:
        with torch.no_grad():
            leaves = pytree.tree_leaves(graph_module(*ports.draw(4).tensors().arrays))
    except (RuntimeError, IndexError):
        return FAILS
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    finite = all(bool(torch.isfinite(t).all()) for t in tensors if t.is_floating_point())
    return FINITE if finite else RUNS
