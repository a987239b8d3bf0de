"""Passes over the torch graph before it becomes ONNX; each keeps the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

aten = torch.ops.aten


def spread_adaptive_pools(gm: GraphModule, input_shape: Sequence[int]) -> int:
    """Adaptive average pools with windows of several sizes as one matrix along each axis.

    The exporter writes them as lookups of single elements, which no runtime does fast. Where all
    windows are equal it writes a plain pool, so those stay. Returns how many were rewritten.
    """
    uneven = [
        (node, size) for node, size in _sizes(gm, input_shape).items()
        if any(n % m for n, m in zip(size, _wanted(node, size), strict=True))
    ]  # fmt: skip
    for number, (node, size) in enumerate(uneven):
        _rewrite(gm, node, size, number)
    gm.recompile()
    return len(uneven)


def _wanted(node: Node, size: Sequence[int]) -> list[int]:
    wanted: Any = node.args[1]
    return [n if m is None else int(m) for n, m in zip(size, wanted, strict=True)]


def _sizes(gm: GraphModule, input_shape: Sequence[int]) -> dict[Node, list[int]]:
    """Height and width of what each adaptive average pool reads."""
    found: dict[Node, list[int]] = {}

    class Run(Interpreter):
        def run_node(self, n: Node) -> Any:
            if n.target is aten.adaptive_avg_pool2d.default:
                (source,) = n.all_input_nodes
                found[n] = list(self.env[source].shape[-2:])
            return super().run_node(n)

    with torch.no_grad():
        Run(gm).run(torch.zeros(1, *input_shape))
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
    node.replace_all_uses_with(made)
    gm.graph.erase_node(node)


def _windows(size: int, out: int) -> Tensor:
    """(size, out): each column averages one window, as torch cuts them."""
    matrix = torch.zeros(size, out)
    for column in range(out):
        start, end = column * size // out, -(-(column + 1) * size // out)
        matrix[start:end, column] = 1 / (end - start)
    return matrix
