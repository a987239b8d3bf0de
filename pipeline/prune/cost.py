"""What a graph costs: parameters and multiply-accumulates of one sample."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import fx

from pipeline.prune.rules import einsum, name_of
from pipeline.prune.shapes import shapes

BATCH = 2
"""Samples in the shapes that costs are counted from."""


def parameters(graph_module: fx.GraphModule) -> int:
    """Number of learned values; tied weights count once."""
    return sum(parameter.numel() for parameter in graph_module.parameters())


def int8_size(shapes: Iterable[Sequence[int]]) -> int:
    """Bytes of the int8 .tflite, estimated from the shapes of the learned tensors.

    One byte a weight; 28 a channel (a bias, and a scale and zero point for it and its weights);
    about 700 a layer for graph and names. Within 1 % of the two files of the demo.
    """
    total = 600
    for shape in shapes:
        if len(shape) > 1:
            total += math.prod(shape) + 28 * shape[0] + 700
    return total


def macs(graph_module: fx.GraphModule) -> int:
    """Multiply-accumulates of convolutions, matrix products, attention and recurrent layers."""
    return sum(macs_by_node(graph_module).values())


def macs_by_node(
    graph_module: fx.GraphModule, held: Mapping[str, Any] | None = None
) -> dict[str, int]:
    """{node name: multiply-accumulates of one sample}, of the nodes that have some.

    `held` are the shapes of all nodes at a batch of 2, where they are known already.
    """
    held = shapes(graph_module, BATCH) if held is None else held
    calls = [node for node in graph_module.graph.nodes if node.op == "call_function"]
    found = {node.name: _of(node, held) // BATCH for node in calls}
    return {name: count for name, count in found.items() if count}


def _of(node: fx.Node, held: Mapping[str, Any]) -> int:
    name = name_of(node)

    args: Any = node.args

    def size(place: int) -> tuple[int, ...]:
        return tuple(held[args[place].name])

    held_here = held[node.name]
    outputs = math.prod(held_here) if _is_shape(held_here) else 0
    if name in ("conv1d", "conv2d", "conv3d"):
        return outputs * math.prod(size(1)[1:])
    if name.startswith("conv_transpose"):
        return math.prod(size(0)) * math.prod(size(1)[1:])
    if name in ("linear", "matmul", "bmm", "mm", "mv"):
        return outputs * size(0)[-1]
    if name in ("addmm", "baddbmm", "addmv"):
        return outputs * size(1)[-1]
    if name == "scaled_dot_product_attention":
        query, key, value = size(0), size(1), size(2)
        return math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])
    if name in ("einsum", "tensordot", "bilinear", "addbmm"):
        return einsum.macs(node, [tuple(held[arg.name]) for arg in einsum.operands_of(node)])
    if name.endswith("_cell"):
        return size(0)[0] * sum(math.prod(size(place)) for place in (2, 3))
    if name in ("gru", "lstm", "rnn_tanh", "rnn_relu"):
        weights: list[tuple[int, ...]] = [tuple(held[weight.name]) for weight in args[2]]
        return math.prod(size(0)[:-1]) * sum(math.prod(w) for w in weights if len(w) == 2)
    return 0


def _is_shape(held: Any) -> bool:
    return isinstance(held, list | tuple) and all(isinstance(size, int) for size in held)
