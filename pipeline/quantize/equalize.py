"""Cross-layer equalisation (Nagel et al. 2019, arXiv:1906.04721), on pairs found in the graph."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from pipeline.inputs.batch import Batch
from pipeline.models.graph import named_tensors
from pipeline.prune.rules import name_of
from pipeline.quantize.homes import Home
from pipeline.quantize.settling import fold_norms

HOMOGENEOUS = frozenset({
    "batch_norm", "relu", "leaky_relu", "dropout", "max_pool2d", "max_pool1d", "avg_pool2d",
    "avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool1d", "mean", "clone", "contiguous",
})  # fmt: skip
"""f(s * x) = s * f(x) for each channel's s > 0. Not ReLU6, whose upper bound would move with s.

A batch norm is in the list because it is neutral by then.
"""
ROUNDS = 20
ENOUGH = 1e-3
SPAN = 1e-3, 1e3


@dataclass(frozen=True)
class Pair:
    """Two layers of which the second alone reads the first, channel by channel."""

    first: Home
    second: Home
    groups: int


@torch.no_grad()
def equalize(graph: fx.GraphModule, samples: Tensor | Batch) -> int:  # noqa: ARG001
    """Give each channel the same range in the weights that make it and in those that read it.

    In place; the float function stays, up to rounding. Returns the number of pairs.
    """
    layers = fold_norms(graph)
    tensors, found = named_tensors(graph), list(pairs(layers))
    for _ in range(ROUNDS):
        moved = [_balance(pair, tensors) for pair in found]
        if max(moved, default=0.0) < ENOUGH:
            break
    return len(found)


def pairs(layers: list[Home]) -> Iterator[Pair]:
    """Pairs of layers with nothing but homogeneous operators between them."""
    by_node = {home.node: home for home in layers if not home.turned}
    for home in by_node.values():
        reader = _reader(home.node)
        second = by_node.get(reader) if reader is not None else None
        if second is not None:
            yield Pair(home, second, _groups(second.node))


def _reader(node: fx.Node) -> fx.Node | None:
    """The one layer that reads a layer's channels."""
    while len(node.users) == 1:
        (user,) = node.users
        if user.op != "call_function":
            return None
        if name_of(user) in ("conv2d", "conv1d", "linear") and user.args[0] is node:
            return user
        if name_of(user) not in HOMOGENEOUS or not _keeps_channels(user):
            return None
        node = user
    return None


def _keeps_channels(node: fx.Node) -> bool:
    """A mean may go over space alone."""
    if name_of(node) != "mean":
        return True
    axes = node.args[1] if len(node.args) > 1 else None
    return isinstance(axes, list | tuple) and sorted(axes) in ([2, 3], [-2, -1], [2], [-1])


def _groups(node: fx.Node) -> int:
    groups: Any = node.args[6] if name_of(node) != "linear" and len(node.args) > 6 else 1
    return int(groups)


def _balance(pair: Pair, tensors: dict[str, Tensor]) -> float:
    """Move scale from the first layer to the second; the largest change, as a logarithm."""
    first, second = tensors[pair.first.weight], tensors[pair.second.weight]
    reading = second.view(pair.groups, len(second) // pair.groups, second.shape[1], -1)
    if pair.groups * second.shape[1] != len(first):
        return 0.0  # a flattened image: one channel is read by many columns
    made, read = first.flatten(1).abs().amax(1), reading.abs().amax((1, 3)).flatten()
    scale = torch.where((made > 0) & (read > 0), (made / read).sqrt(), torch.ones_like(made))
    scale = scale.clamp(*SPAN)
    first.div_(scale.view(-1, *[1] * (first.ndim - 1)))
    for name in (pair.first.bias, pair.first.norm and pair.first.norm.beta):
        if name:
            tensors[name].div_(scale)
    if pair.first.norm and not pair.first.norm.beta:
        tensors[pair.first.norm.mean].div_(scale)
    reading.mul_(scale.view(pair.groups, 1, -1, 1))
    return float(scale.log().abs().max())
