"""Int8 imitated on a torch graph: weights by channel, activations by tensor, all by rounding.

Not the runtime's arithmetic (the qat room has that) and no conversion: seconds instead of a
minute, good for judging a change of the weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from pipeline.inputs.batch import Batch
from pipeline.models.graph import named_tensors
from pipeline.prune.rules import name_of
from pipeline.quantize.homes import homes, on_grid

FUSED = frozenset({"batch_norm", "relu", "relu6", "hardtanh", "clamp"})
"""What a converter merges into the operator before it: that one's own result is never stored."""

Ranges = dict[str, tuple[float, float]]


class Imitation(fx.Interpreter):
    """Runs a graph with its activations on int8 grids, {node: (low, high)}; empty: takes them."""

    def __init__(self, graph: fx.GraphModule, ranges: Ranges) -> None:
        super().__init__(graph)
        self.ranges, self.learning = ranges, not ranges

    def run_node(self, n: fx.Node) -> Any:
        """The node's value, rounded where it is stored."""
        value = super().run_node(n)
        if not is_stored(n, value):
            return value
        if self.learning:
            low, high = float(value.min()), float(value.max())
            self.ranges[n.name] = min(low, 0.0), max(high, 0.0)
            return value
        return _rounded(value, *self.ranges[n.name])


def is_stored(node: fx.Node, value: Any) -> bool:
    """Whether a converted file has a tensor for this node's value."""
    floating = isinstance(value, Tensor) and value.is_floating_point()
    if not floating or node.op not in ("placeholder", "call_function"):
        return False
    readers = [name_of(user) for user in node.users if user.op == "call_function"]
    return len(node.users) != 1 or not FUSED.intersection(readers)


@contextmanager
def rounded_weights(graph: fx.GraphModule) -> Iterator[None]:
    """Within the block, the layers' weights stand on their int8 grid."""
    tensors = named_tensors(graph)
    before = {home.weight: tensors[home.weight].detach().clone() for home in homes(graph)}
    try:
        with torch.no_grad():
            for home in homes(graph):
                tensors[home.weight].copy_(on_grid(tensors[home.weight], turned=home.turned))
        yield
    finally:
        with torch.no_grad():
            for name, value in before.items():
                tensors[name].copy_(value)


@torch.no_grad()
def imitation_db(
    graph: fx.GraphModule, reference: fx.GraphModule, seen: Tensor | Batch, judge: Tensor | Batch
) -> float:
    """Signal-to-error ratio of a graph in imitated int8 against a float graph's outputs, in dB.

    Ranges are taken over `seen`, the error over `judge`.
    """
    ranges: Ranges = {}
    learnt, judged = Batch.of(seen).arrays, Batch.of(judge).arrays
    Imitation(graph, ranges).run(*learnt)
    with rounded_weights(graph):
        got = _flat(Imitation(graph, ranges).run(*judged))
    want = _flat(reference(*judged))
    error = float((want - got).square().sum())
    return 10 * math.log10(max(float(want.square().sum()), 1e-30) / max(error, 1e-30))


def _rounded(values: Tensor, low: float, high: float) -> Tensor:
    scale = (high - low) / 255 or 1.0
    zero_point = round(-128 - low / scale)
    steps = (values / scale).round().clamp(-128 - zero_point, 127 - zero_point)
    return steps * scale


def to_grid(values: Tensor, like: Tensor) -> Tensor:
    """`values` on the grid that holds all of `like`."""
    return _rounded(values, min(float(like.min()), 0.0), max(float(like.max()), 0.0))


def _flat(outputs: Any) -> Tensor:
    leaves = [leaf for leaf in pytree.tree_leaves(outputs) if isinstance(leaf, Tensor)]
    return torch.cat([leaf.double().flatten() for leaf in leaves])
