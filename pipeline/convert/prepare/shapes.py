"""Shapes of a graph's tensors for the one input size that is exported."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule, Interpreter, Node


class _Shapes(Interpreter):
    """Runs the graph once and keeps the shape of every tensor."""

    def __init__(self, gm: GraphModule) -> None:
        super().__init__(gm)
        self.shapes: dict[Node, tuple[int, ...]] = {}

    def run_node(self, n: Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, torch.Tensor):
            self.shapes[n] = tuple(result.shape)
        return result


def shapes_of(gm: GraphModule, input_shape: tuple[int, ...]) -> dict[Node, tuple[int, ...]]:
    """{node: shape} of every tensor for an input of `(1, *input_shape)`."""
    runner = _Shapes(gm)
    with torch.no_grad():
        runner.run(torch.zeros(1, *input_shape))
    return runner.shapes
