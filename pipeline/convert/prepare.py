"""Passes over the torch graph before it becomes ONNX; each keeps the outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

aten = torch.ops.aten
MASKED = {
    aten.index_put.default: aten.masked_fill.Tensor,
    aten.index_put_.default: aten.masked_fill_.Tensor,
}
ATTENTION = aten.scaled_dot_product_attention.default
MAXIMUM = aten.adaptive_max_pool2d.default
DISTANCES = {
    1.0: aten.sum.dim_IntList, 2.0: aten.sum.dim_IntList, float("inf"): aten.amax.default,
}  # fmt: skip


def spread_adaptive_pools(gm: GraphModule) -> int:
    """Adaptive pools with windows of several sizes: one matrix along each axis, or parts' maxima.

    The exporter writes averages as lookups of single elements, which no runtime does fast, and
    maxima not at all. Where all windows are equal it writes a plain pool, so those stay. Returns
    how many were rewritten.
    """
    uneven = [
        (node, size) for node, size in _sizes(gm).items()
        if any(n % m for n, m in zip(size, _wanted(node, size), strict=True))
    ]  # fmt: skip
    for number, (node, size) in enumerate(uneven):
        if node.target is MAXIMUM:
            _maxima(gm, node, size)
        else:
            _rewrite(gm, node, size, number)
    gm.recompile()
    return len(uneven)


def spell_out_distances(gm: GraphModule) -> int:
    """Distances between rows, which the exporter does not know; returns how many were rewritten."""
    found = [n for n in gm.graph.nodes if n.target is aten.cdist.default]
    known = [n for n in found if (n.args[2] if len(n.args) > 2 else 2.0) in DISTANCES]
    for node in known:
        order: Any = node.args[2] if len(node.args) > 2 else 2.0
        with _in_place_of(gm, node) as call:
            one = call(aten.unsqueeze.default, node.args[0], -2)
            two = call(aten.unsqueeze.default, node.args[1], -3)
            gap = call(aten.sub.Tensor, one, two)
            if order == 2:
                total = call(aten.sum.dim_IntList, call(aten.mul.Tensor, gap, gap), [-1])
                made = call(aten.sqrt.default, total)
            else:
                made = call(DISTANCES[order], call(aten.abs.default, gap), [-1])
        _replace(gm, node, made)
    gm.recompile()
    return len(known)


def fill_masks(gm: GraphModule) -> int:
    """`x[mask] = number`, which the exporter writes as a list of places; how many there were."""
    found = [node for node in gm.graph.nodes if node.target in MASKED]
    values = _values(gm, {node for each in found for node in each.all_input_nodes})
    masks = {node: _mask(node, values) for node in found}
    open_axes = {n: values[n.args[0]].ndim - values[m].ndim for n, m in masks.items() if m}
    for node, count in open_axes.items():
        x, mask, number = node.args[0], masks[node], node.args[2]
        with _in_place_of(gm, node) as call:
            for _ in range(count):
                mask = call(aten.unsqueeze.default, mask, -1)
            number = call(aten.reshape.default, number, [])
            made = call(MASKED[node.target], x, mask, number)
        _replace(gm, node, made)
    gm.recompile()
    return len(open_axes)


def settle_attention(gm: GraphModule) -> int:
    """Attention as the exporter takes it; returns how many there were.

    It knows queries (batch, heads, rows, width) alone: one head without an axis of its own gets
    one. And it writes attention anew, so that the result lies otherwise in memory than what it took
    it for when it settled whether a reshape behind it has to copy: a copy, which is none in the
    file, makes that one and the same.
    """
    found = [n for n in gm.graph.nodes if n.target is ATTENTION]
    ranks = {
        n: v.ndim for n, v in _values(gm, {m for n in found for m in n.all_input_nodes}).items()
    }
    for node in found:
        given: list[Any] = list(node.args)
        single = ranks[given[0]] == 3
        with _in_place_of(gm, node) as call:
            for index, each in enumerate(given[:4] if single else []):
                if each is not None and ranks[each] == 3:  # (rows, columns) of a mask broadcast
                    given[index] = call(aten.unsqueeze.default, each, 1)
            made = call(ATTENTION, *given)
            made.kwargs = node.kwargs
            made = call(aten.squeeze.dim, made, 1) if single else made
            made = call(aten.clone.default, made)
            made.kwargs = {"memory_format": torch.contiguous_format}
        _replace(gm, node, made)
    gm.recompile()
    return len(found)


def _mask(node: Node, values: dict[Node, Tensor]) -> Node | None:
    """The one mask that says where a single number goes, if that is so."""
    indices: Any = node.args[1]
    number: Any = node.args[2]
    adds = len(node.args) > 3 and node.args[3]
    if len(indices) > 1 or adds or values[number].numel() > 1:
        return None
    found: Node = indices[0]
    return found if values[found].dtype is torch.bool else None


def _wanted(node: Node, size: Sequence[int]) -> list[int]:
    wanted: Any = node.args[1]
    return [n if m is None else int(m) for n, m in zip(size, wanted, strict=True)]


def _sizes(gm: GraphModule) -> dict[Node, list[int]]:
    """Height and width of what each adaptive pool reads."""
    kinds = (aten.adaptive_avg_pool2d.default, MAXIMUM)
    sources = {n: n.all_input_nodes[0] for n in gm.graph.nodes if n.target in kinds}
    values = _values(gm, set(sources.values()))
    return {node: list(values[source].shape[-2:]) for node, source in sources.items()}


def _values(gm: GraphModule, wanted: set[Node]) -> dict[Node, Tensor]:
    """What some nodes compute of a sample; nothing runs where none are asked for."""
    found: dict[Node, Tensor] = {}

    class Run(Interpreter):
        def run_node(self, n: Node) -> Any:
            value = super().run_node(n)
            if n in wanted:
                found[n] = value
            return value

    if wanted:
        with torch.no_grad():
            Run(gm).run(*gm.meta["ports"].draw(1).tensors().arrays)
    return found


def _rewrite(gm: GraphModule, node: Node, size: Sequence[int], number: int) -> None:
    high, wide = (_windows(n, m) for n, m in zip(size, _wanted(node, size), strict=True))
    for name, matrix in ((f"pool_{number}_rows", high.T), (f"pool_{number}_columns", wide)):
        gm.register_buffer(name, matrix.contiguous())
    (source,) = node.all_input_nodes
    with gm.graph.inserting_before(node):
        columns = gm.graph.get_attr(f"pool_{number}_columns")
        rows = gm.graph.get_attr(f"pool_{number}_rows")
        across = gm.graph.call_function(aten.matmul.default, (source, columns))
        made = gm.graph.call_function(aten.matmul.default, (rows, across))
    _replace(gm, node, made)


def _maxima(gm: GraphModule, node: Node, size: Sequence[int]) -> None:
    """The largest of each window's rows, then of its columns; where it was, nobody may ask."""
    users = [user for user in node.users if user.args[1] == 0]
    if len(users) != len(node.users):
        return
    made: Any = node.args[0]
    for axis, n, m in zip((-2, -1), size, _wanted(node, size), strict=True):
        with _in_place_of(gm, node) as call:
            parts = [call(aten.slice.Tensor, made, axis, *ends) for ends in _ends(n, m)]
            made = call(
                aten.cat.default, [call(aten.amax.default, p, [axis], True) for p in parts], axis
            )
    for user in users:
        _replace(gm, user, made)
    gm.graph.erase_node(node)


@contextmanager
def _in_place_of(gm: GraphModule, node: Node) -> Iterator[Callable[..., Node]]:
    """Calls go before a node, and are of its line in the user's source."""

    def call(target: Any, *args: Any) -> Node:
        made = gm.graph.call_function(target, args)
        made.meta = dict(node.meta)
        return made

    with gm.graph.inserting_before(node):
        yield call


def _replace(gm: GraphModule, node: Node, made: Node) -> None:
    node.replace_all_uses_with(made)
    gm.graph.erase_node(node)


def _ends(size: int, out: int) -> Iterator[tuple[int, int]]:
    """Start and end of each window, as torch cuts them."""
    for index in range(out):
        yield index * size // out, -(-(index + 1) * size // out)


def _windows(size: int, out: int) -> Tensor:
    """(size, out): each column averages one window."""
    matrix = torch.zeros(size, out)
    for column, (start, end) in enumerate(_ends(size, out)):
        matrix[start:end, column] = 1 / (end - start)
    return matrix
