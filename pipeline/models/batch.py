"""A batch that `forward` turns into a plain number, such as `len(x)`, made a size again."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree

SIZES = (7, 11)
"""Two batches that no other size is likely to follow."""


def generalise(first: fx.GraphModule, second: fx.GraphModule) -> fx.GraphModule | None:
    """One graph for every batch, from two graphs of one model for the batches `SIZES`.

    Numbers in which they differ are `factor * batch + rest` of `first`'s input; it is changed in
    place. None where they differ in more than numbers (a loop over the batch).
    """
    pairs = list(zip(first.graph.nodes, second.graph.nodes, strict=False))
    twin = {b: a for a, b in pairs}
    if len(first.graph.nodes) != len(second.graph.nodes):
        return None
    size = _Size(first)
    for a, b in pairs:
        values, spec = pytree.tree_flatten(fx.map_arg((a.args, a.kwargs), lambda node: node))
        others, same = pytree.tree_flatten(fx.map_arg((b.args, b.kwargs), lambda node: twin[node]))
        if (a.op, a.target, spec) != (b.op, b.target, same) or not _equal(first, second, a):
            return None
        found = [size.of(*pair) for pair in zip(values, others, strict=True)]
        if any(one is None and value is not None for one, value in zip(found, values, strict=True)):
            return None
        a.args, a.kwargs = pytree.tree_unflatten(found, spec)
    first.graph.lint()
    first.recompile()
    return first


class _Size:
    """The nodes for the batch, and for multiples of it, made on demand."""

    def __init__(self, graph_module: fx.GraphModule) -> None:
        self.graph = graph_module.graph
        self.input = next(node for node in self.graph.nodes if node.op == "placeholder")
        self.known: dict[tuple[int, int], fx.Node] = {}

    def of(self, a: Any, b: Any) -> Any:
        """The value that is `a` at the first batch and `b` at the second; None if there is none."""
        if type(a) is type(b) and a == b:
            return a
        if type(a) is not int or type(b) is not int or (b - a) % (SIZES[1] - SIZES[0]):
            return None
        factor = (b - a) // (SIZES[1] - SIZES[0])
        return self._node(factor, a - factor * SIZES[0])

    def _node(self, factor: int, rest: int) -> fx.Node:
        if (factor, rest) not in self.known:
            if (factor, rest) == (1, 0):
                made = self._call(torch.ops.aten.sym_size.int, self.input, 0, after=self.input)
            elif rest == 0:
                made = self._call(operator.mul, base := self._node(1, 0), factor, after=base)
            else:
                made = self._call(operator.add, base := self._node(factor, 0), rest, after=base)
            self.known[factor, rest] = made
        return self.known[factor, rest]

    def _call(self, function: Any, *args: Any, after: fx.Node) -> fx.Node:
        with self.graph.inserting_after(after):
            return self.graph.call_function(function, args)


def _equal(first: fx.GraphModule, second: fx.GraphModule, node: fx.Node) -> bool:
    if node.op != "get_attr":
        return True
    one, two = (operator.attrgetter(str(node.target))(module) for module in (first, second))
    tensors = isinstance(one, torch.Tensor) and isinstance(two, torch.Tensor)
    return not tensors or (one.shape == two.shape and torch.equal(one, two))
