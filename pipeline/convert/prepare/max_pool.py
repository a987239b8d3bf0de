"""Max-pools without padding by minus infinity, which int8 cannot hold.

TFLite's pool pads like TensorFlow's "SAME" or not at all. What else torch pads, a converter pads by
the lowest float; calibration then sees -3e38, the scale becomes 1e36, ai-edge-litert refuses the
file and tflite-runtime 2.14 aborts or answers garbage.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from pipeline.convert.prepare.nonnegative import nonnegative, op_name
from pipeline.convert.prepare.shapes import shapes_of
from pipeline.errors import Refused

RANKS = {"max_pool1d": 1, "max_pool2d": 2}
aten = torch.ops.aten


@dataclass(frozen=True)
class Pool:
    """A max-pool's geometry, one number a spatial axis; `right` is the padding it really reads."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil: bool


def unpad_max_pools(gm: GraphModule, input_shape: tuple[int, ...]) -> int:
    """Give every padded max-pool an equal one without padding; how many were rewritten.

    Zero padding where the input is provably non-negative: a zero never wins over what is there.
    Else the edge is repeated, which is exact without dilation because each window that reaches
    over the edge contains the edge element (torch allows padding up to half the kernel, and every
    window starts inside the input or its left padding).

    Raises:
        Refused: a padded pool with dilation over an input that may be negative.
    """
    shapes, never_negative = shapes_of(gm, input_shape), nonnegative(gm.graph)
    count = 0
    for node in list(gm.graph.nodes):
        if (rank := RANKS.get(op_name(node))) is None:
            continue
        source = node.args[0]
        pool = _geometry(node, shapes[source][-rank:], shapes[node][-rank:])
        if _needs_rewrite(pool, shapes[source][-rank:], shapes[node][-rank:]):
            _rewrite(gm.graph, node, pool, source in never_negative)
            count += 1
    return count


def _geometry(node: Node, size: tuple[int, ...], out: tuple[int, ...]) -> Pool:
    """Read the pool's arguments; what ceil_mode adds, or floor leaves unread, shows in `right`."""
    rank = len(size)
    kernel = _numbers(node, 1, "kernel_size", 0, rank)
    stride = _numbers(node, 2, "stride", kernel, rank)
    left = _numbers(node, 3, "padding", 0, rank)
    dilation = _numbers(node, 4, "dilation", 1, rank)
    right = tuple(
        max(0, (o - 1) * s + (k - 1) * d + 1 - n - p)
        for n, o, k, s, p, d in zip(size, out, kernel, stride, left, dilation, strict=True)
    )
    ceil = bool(node.args[5] if len(node.args) > 5 else node.kwargs.get("ceil_mode", False))
    return Pool(kernel, stride, left, right, dilation, ceil)


def _numbers(node: Node, index: int, name: str, default: Any, rank: int) -> tuple[int, ...]:
    value = node.args[index] if len(node.args) > index else node.kwargs.get(name)
    given = default if value is None or value == [] else value
    values = tuple(given) if isinstance(given, list | tuple) else (given,)
    return values * rank if len(values) == 1 else values


def _needs_rewrite(pool: Pool, size: tuple[int, ...], out: tuple[int, ...]) -> bool:
    """Whether the converter would pad: neither unpadded nor exactly what "SAME" pads."""
    if not any(pool.left) and not any(pool.right):
        return pool.ceil  # the same without ceil_mode, which the converter would pad for
    same = all(
        o == -(-n // s) and left == right == max((o - 1) * s + k - n, 0) / 2
        for n, o, k, s, left, right in zip(
            size, out, pool.kernel, pool.stride, pool.left, pool.right, strict=True
        )
    )
    return pool.ceil or not same or any(d != 1 for d in pool.dilation)


def _rewrite(graph: Graph, node: Node, pool: Pool, zero_pad: bool) -> None:
    rank = len(pool.kernel)
    (padded,) = node.all_input_nodes
    with graph.inserting_before(node):
        if zero_pad:
            pairs = zip(reversed(pool.left), reversed(pool.right), strict=True)
            pads = list(itertools.chain.from_iterable(pairs))
            padded = graph.call_function(aten.constant_pad_nd.default, (padded, pads, 0.0))
        elif all(d == 1 for d in pool.dilation):
            for axis in range(rank):
                ends = pool.left[axis], pool.right[axis]
                padded = _repeat_edge(graph, padded, axis - rank, *ends)
        else:
            raise Refused(
                "a padded, dilated max-pool over values that may be negative has no int8 form",
                where=node.name,
                fix="put a ReLU before it, or use dilation 1",
            )
        zeros = [0] * rank
        args = (padded, list(pool.kernel), list(pool.stride), zeros, list(pool.dilation), False)
        assert callable(node.target)
        replacement = graph.call_function(node.target, args)
    node.replace_all_uses_with(replacement)
    graph.erase_node(node)


def _repeat_edge(graph: Graph, source: Node, axis: int, left: int, right: int) -> Node:
    """`source` with its first and last slice along `axis` repeated."""
    parts = [source]
    if left:
        parts = [graph.call_function(aten.slice.Tensor, (source, axis, 0, 1))] * left + parts
    if right:
        end = 2**63 - 1
        last = graph.call_function(aten.slice.Tensor, (source, axis, -1, end))
        parts = parts + [last] * right
    return graph.call_function(aten.cat.default, (parts, axis)) if len(parts) > 1 else source
