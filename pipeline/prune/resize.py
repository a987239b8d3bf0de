"""Sizes that are written into a graph's arguments, and how they follow the channels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from pipeline.prune.rules import name_of
from pipeline.prune.rules.convolution import groups_of
from pipeline.prune.rules.movement import shifts_of
from pipeline.prune.rules.picking import SLIDES
from pipeline.prune.trace import Trace

Resize = Callable[["Resizer", fx.Node, list[Any]], list[Any]]

_RESIZES: dict[str, Resize] = {}


def _resize(*names: str) -> Callable[[Resize], Resize]:
    def declare(function: Resize) -> Resize:
        _RESIZES.update(dict.fromkeys(names, function))
        return function

    return declare


class Resizer:
    """A trace and the classes that go: the new size of anything in the graph."""

    def __init__(self, trace: Trace, gone: Tensor) -> None:
        self.trace, self.gone = trace, gone

    def keep(self, labels: Tensor) -> Tensor:
        """Which of these labels stay."""
        return ~torch.isin(self.trace.labels.find(labels), self.gone)

    def kept(self, labels: Tensor) -> tuple[int, Tensor] | None:
        """The axis of a label tensor that shrinks, and which of its places stay."""
        axis = self.trace.labels.axis(labels)
        vector = None if axis is None else self.trace.labels.vector(labels, axis)
        stay = None if vector is None else self.keep(vector)
        return None if axis is None or stay is None or bool(stay.all()) else (axis, stay)

    def size(self, labels: Tensor) -> list[int]:
        """The new shape."""
        shape = list(labels.shape)
        change = self.kept(labels)
        if change is not None:
            shape[change[0]] = int(change[1].sum())
        return shape

    def sizes(self) -> dict[str, Any]:
        """The new shape of every node, at the batch of the trace; what is no tensor as it is."""
        held = dict(self.trace.sizes)
        stored = self._stored()
        for node in self.trace.graph_module.graph.nodes:
            value = self.trace.values[node.name]
            if node.op == "get_attr" and self.trace.holds_tensor(node):
                held[node.name] = stored.get(self.trace.name(node), held[node.name])
            elif value is not None:
                held[node.name] = pytree.tree_map_only(Tensor, self.size, value)
                if node.name in self.trace.rows:
                    rows = self.trace.rows[node.name].vector
                    held[node.name][-2] = int(self.keep(rows).sum())
        return held

    def _stored(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for name, axis, vector in self.trace.axes():
            shape = found.setdefault(name, list(self.trace.tensor_of(name).shape))
            shape[axis] = int(self.keep(vector).sum())
        return found

    def update(self, node: fx.Node) -> None:
        """Write the new sizes into a node of a copy of the traced graph."""
        function = _RESIZES.get(name_of(node)) if node.op == "call_function" else None
        if function is not None:
            node.args = tuple(function(self, node, list(node.args)))


_SIZES_FIRST = {"zeros", "ones", "full"}


@_resize(
    "view", "reshape", "_unsafe_view", "expand", "unflatten",
    "zeros", "ones", "full", "new_zeros", "new_ones", "new_full",
)  # fmt: skip
def _sizes(resizer: Resizer, node: fx.Node, args: list[Any]) -> list[Any]:
    labels = resizer.trace.of(node)
    change = resizer.kept(labels)
    place = 0 if name_of(node) in _SIZES_FIRST else 2 if name_of(node) == "unflatten" else 1
    first = args[1] % resizer.trace.of(args[0]).dim() if name_of(node) == "unflatten" else 0
    if change is not None and first <= change[0] < first + len(args[place]):
        sizes = list(args[place])
        at = change[0] - first
        if sizes[at] != -1:
            sizes[at] = int(change[1].sum())
        args[place] = sizes
    return args


@_resize("split", "split_with_sizes", "chunk", "unsafe_split", "unsafe_chunk", "tensor_split")
def _split(resizer: Resizer, node: fx.Node, args: list[Any]) -> list[Any]:
    change = resizer.kept(resizer.trace.of(args[0]))
    given: Any = args[2] if len(args) > 2 else node.kwargs.get("dim", 0)
    axis = given % resizer.trace.of(args[0]).dim()
    if change is None or change[0] != axis:
        return args
    parts: Any = resizer.trace.values[node.name]
    node.target, node.kwargs = torch.ops.aten.split_with_sizes.default, {}
    return [args[0], [resizer.size(part)[axis] for part in parts], axis]


@_resize("slice", "narrow", "select")
def _cut(resizer: Resizer, node: fx.Node, args: list[Any]) -> list[Any]:
    change = resizer.kept(resizer.trace.of(args[0]))
    axis = args[1] % resizer.trace.of(args[0]).dim() if len(args) > 1 else 0
    if change is None or change[0] != axis:
        return args
    stay = change[1]

    def moved(place: Any, default: int) -> int:
        end = len(stay) if place is None else min(place, len(stay))
        at = default if place is None else (end + len(stay) if end < 0 else end)
        return int(stay[: max(at, 0)].sum())

    if name_of(node) == "select":
        return [args[0], axis, moved(args[2], 0)]
    if name_of(node) == "narrow":
        start, stop = moved(args[2], 0), moved(args[2] % len(stay) + args[3], len(stay))
        return [args[0], axis, start, stop - start]
    given = [*args[2:4], None, None]
    if len(args) > 4 and args[4] != 1:  # neighbours go together: the start within a step stays
        return [args[0], axis, given[0], int(stay.sum()), args[4]]
    return [args[0], axis, moved(given[0], 0), moved(given[1], len(stay))]


@_resize(
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"
)  # fmt: skip
def _depthwise(resizer: Resizer, node: fx.Node, args: list[Any]) -> list[Any]:
    labels = resizer.trace.of(args[0])
    weight: Any = args[1]
    if weight.op != "get_attr":
        return args
    axis = labels.dim() - resizer.trace.tensor(weight).dim() + 1
    groups = groups_of(node)
    if groups > 1 and groups == labels.shape[axis]:
        args[6] = resizer.size(labels)[axis]
    return args


@_resize("roll")
def _rolled(resizer: Resizer, node: fx.Node, args: list[Any]) -> list[Any]:
    """As far as there are channels left among those that came round."""
    labels = resizer.trace.of(args[0])
    shifts, change = shifts_of(node, labels.dim()), resizer.kept(labels)
    if change is None or change[0] not in shifts:
        return args
    axis, stay = change
    round_ = shifts[axis] % len(stay)
    shifts[axis] = int(stay[len(stay) - round_ :].sum())
    return [args[0], list(shifts.values()), list(shifts)]


@_resize("index", "index_select")
def _picked(resizer: Resizer, node: fx.Node, args: list[Any]) -> list[Any]:
    """Places along the channels are counted anew, in a constant of the graph."""
    if node.name not in resizer.trace.picked:
        return args
    axis, index = resizer.trace.picked[node.name]
    picks = node.meta.get(SLIDES) == "pick"
    change = resizer.kept(resizer.trace.of(node if picks else args[0]))
    if change is None:
        return args
    counted = index[change[1]] if picks else _counted(index, change[1], node)
    old: Any = args[2] if name_of(node) == "index_select" else args[1][axis]
    new = _constant(node, old, counted)
    if name_of(node) == "index_select":
        return [args[0], axis, new]
    return [args[0], [new if place == axis else None for place in range(len(args[1]))]]


def _counted(index: Tensor, stay: Tensor, node: fx.Node) -> Tensor:
    """Places among those that stay; of the others those that are not read, or the padding."""
    rank = stay.cumsum(0) - 1
    if node.meta.get(SLIDES) == "spread":
        return torch.where(stay, rank, rank[-1])[index]
    return rank[index[stay[index]]]


def _constant(node: fx.Node, old: fx.Node, value: Tensor) -> fx.Node:
    """The constant that a node reads instead of `old`: in its place where nothing else reads it."""
    module: Any = node.graph.owning_module
    same = [n for n in node.graph.nodes if n.op == "get_attr" and n.target == old.target]
    alone = old.op == "get_attr" and sum(len(n.users) for n in same) == 1
    path, _, leaf = str(old.target).rpartition(".") if alone else ("", "", f"{node.name}_places")
    owner = module.get_submodule(path)
    if leaf not in owner._buffers and hasattr(owner, leaf):
        delattr(owner, leaf)
    owner.register_buffer(leaf, value)
    if alone:
        return old
    with node.graph.inserting_before(node):
        return node.graph.get_attr(leaf)


@_resize("scaled_dot_product_attention")
def _attention(resizer: Resizer, node: fx.Node, args: list[Any]) -> list[Any]:
    """The scale is 1 / sqrt(head width) unless it is given: it stays that of the dense model."""
    query = resizer.trace.of(args[0])
    if resizer.kept(query) is not None and node.kwargs.get("scale") is None:
        node.kwargs = {**node.kwargs, "scale": 1 / math.sqrt(query.shape[-1])}
    return args


@_resize("layer_norm", "rms_norm")
def _normalised(resizer: Resizer, _node: fx.Node, args: list[Any]) -> list[Any]:
    size = resizer.size(resizer.trace.of(args[0]))
    args[1] = size[len(size) - len(args[1]) :]
    return args


@_resize("group_norm")
def _group_norm(resizer: Resizer, _node: fx.Node, args: list[Any]) -> list[Any]:
    """The number of groups stays, unless each channel is one."""
    labels = resizer.trace.of(args[0])
    if args[1] == labels.shape[1]:
        args[1] = resizer.size(labels)[1]
    return args
