"""Blocks such as `with torch.autocast(...)` become part of the graph around them.

`torch.export` keeps them as calls of sub-graphs, which nothing that reads operators sees into.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree


def inline(root: torch.nn.Module, graph: fx.Graph) -> None:
    """Inline, in place, blocks that switch gradients, and those that switch autocast off.

    What ran without gradients is detached. A block that computes in another precision stays.
    """
    for node in list(graph.nodes):
        found = _block(node)
        if found is None:
            continue
        body, given, detached = found
        inner: Any = root.get_submodule(str(body.target))
        inline(inner, inner.graph)
        _put(graph, node, inner.graph, str(body.target), given, detached)


def _block(node: fx.Node) -> tuple[Any, Sequence[Any], bool] | None:
    """(sub-graph, its inputs, whether gradients stop there) of a block that can be inlined."""
    name, args = getattr(node.target, "__name__", ""), node.args
    if name == "wrap_with_set_grad_enabled":
        return args[1], args[2:], not args[0]
    if name == "wrap_with_autocast" and not args[2]:
        return args[4], args[5:], False
    return None


def _put(
    graph: fx.Graph,
    node: fx.Node,
    body: fx.Graph,
    prefix: str,
    given: Sequence[Any],
    detached: bool,
) -> None:
    inputs = [inner for inner in body.nodes if inner.op == "placeholder"]
    values: dict[fx.Node, Any] = dict(zip(inputs, given, strict=True))
    with graph.inserting_before(node):
        for inner in body.nodes:
            if inner.op in ("placeholder", "output"):
                continue
            values[inner] = graph.node_copy(inner, lambda arg: values[arg])
            if inner.op == "get_attr":
                values[inner].target = f"{prefix}.{inner.target}"
        (result,) = next(inner for inner in body.nodes if inner.op == "output").args
        result = pytree.tree_map_only(fx.Node, lambda arg: values[arg], result)
        if detached:
            detach = torch.ops.aten.detach.default
            result = pytree.tree_map_only(
                fx.Node, lambda arg: graph.call_function(detach, (arg,)), result
            )
    for user in list(node.users):
        if user.target is operator.getitem:
            user.replace_all_uses_with(result[user.args[1]])
            graph.erase_node(user)
    if node.users:
        node.replace_all_uses_with(result)
    graph.erase_node(node)
