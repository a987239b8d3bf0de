"""Run a graph on channel labels: which parts of which tensors depend on each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx

from pipeline.prune import rules
from pipeline.prune.heads import head_axis
from pipeline.prune.labels import Labels, core, fixed
from pipeline.prune.rules.outer import Rows
from pipeline.prune.shapes import moving_axes, shapes
from pipeline.prune.zeros import keeps_zero

LARGEST_LABELLED = 1 << 18
"""Elements; a larger constant that is no weight (a look-up table) is held fixed."""

Value: TypeAlias = Tensor | list[Tensor] | None


@dataclass(frozen=True)
class Freeze:
    """An operator that holds channels fixed, and why."""

    op: str
    node: str
    reason: str
    labels: Tensor


@dataclass(frozen=True)
class Coupled:
    """An operator whose result mixes the channels: it computes over those that stay.

    `inputs` is {place of an argument: its channel axis}; `output` the channel axis of the result,
    None where the channels are reduced. What is not `certified` changes the model's meaning in a
    way no mask can express, so it happens only where the user allows it.
    """

    inputs: dict[int, int]
    output: int | None
    certified: bool


class Trace:
    """The labels of every node, by node name, and of every tensor the graph reads.

    `uncertified` lets channels go where the result cannot be proven, see `Coupled`. With `heads`,
    attention keeps the width of its heads and they go whole; their labels are then in `heads`.
    `picked` are the axis and the places of operators that pick channels by constants; `collapsed`
    are the nodes that hold channels because all of their places are tied to each other; `rows`
    the labels along a second axis, see `rules.outer`; `zero` the nodes in which removed channels
    are zero, which `zero_or_not` says of some.
    """

    def __init__(
        self, graph_module: fx.GraphModule, *, uncertified: bool = False, heads: bool = False
    ) -> None:
        self.graph_module = graph_module
        self.by_heads, self.heads = heads, list[Tensor]()
        self.uncertified = uncertified
        self.coupled: dict[str, Coupled] = {}
        self.grouped: set[tuple[str, int]] = set()
        self.collapsed: set[str] = set()
        self.picked: dict[str, tuple[int, Tensor]] = {}
        self.labels = Labels()
        self.values: dict[str, Value] = {}
        self.zero: set[str] = set()
        self.zero_or_not: dict[str, bool] = {}
        self.rows: dict[str, Rows] = {}
        self.constants: set[str] = set()
        self.freezes: list[Freeze] = []
        self._axes: dict[tuple[str, int], Tensor] = {}
        self._elements: dict[str, Tensor] = {}
        self._first_name: dict[int, str] = {}
        # A batch of 2, not 1: `squeeze` and broadcasting treat a batch of one as no batch.
        self.sizes = shapes(graph_module, 2)
        self._larger = shapes(graph_module, 3)
        for node in graph_module.graph.nodes:
            if node.op == "get_attr" or self._of_constants(node):
                self.constants.add(node.name)
            self.values[node.name] = self._visit(node)
            if keeps_zero(self, node):
                self.zero.add(node.name)
        self._freeze_double_roles()

    def _of_constants(self, node: fx.Node) -> bool:
        inputs = node.all_input_nodes
        return bool(inputs) and all(arg.name in self.constants for arg in inputs)

    def _visit(self, node: fx.Node) -> Value:
        if node.op == "get_attr":
            return None
        if node.op == "output":
            for arg in node.all_input_nodes:
                self.freeze(self.of(arg), node, "the model's output keeps its shape")
            return None
        if node.op == "placeholder" or not _has_tensor(self.shape(node)):
            return self.constant(node)
        value: Value = rules.find(node)(self, node)
        return value

    def shape(self, node: Any) -> Any:
        """The shape of a node's tensor, or the shapes of its tensors."""
        return self.sizes[node.name]

    def concrete(self, arg: Any) -> Any:
        """An argument with symbolic sizes replaced by concrete ones."""
        if isinstance(arg, fx.Node):
            value = self.shape(arg)
            return value if isinstance(value, int) else arg
        if isinstance(arg, list | tuple):
            return type(arg)(self.concrete(a) for a in arg)
        return arg

    def of(self, arg: Any) -> Tensor:
        """The labels of a tensor argument."""
        if arg.op == "get_attr":
            return self._read(arg) if self.holds_tensor(arg) else fixed(())
        value = self.values[arg.name]
        return value if isinstance(value, Tensor) else fixed(())

    def moved(self, labels: Tensor, node: fx.Node, item: int | None = None) -> Tensor:
        """Settle what an operator that only moves data made, but for constants.

        Which axis of theirs holds channels is known where they meet an activation.
        """
        return labels if node.name in self.constants else self.settled(labels, node, item)

    def on_one_axis(self, arg: Any) -> Tensor:
        """The labels of a tensor argument, settled."""
        labels = self.of(arg)
        several = len(self.labels.varying(labels)) > 1
        return self.labels.settle(labels) if several else labels

    def settled(self, labels: Tensor, node: fx.Node, item: int | None = None) -> Tensor:
        """Settle the labels of a node's output, its batch axes tied."""
        prefer = head_axis(self, node, labels) if self.by_heads and item is None else None
        one, two = self.sizes[node.name], self._larger[node.name]
        if item is not None:
            one, two = one[item], two[item]
        tied = moving_axes(one, two)
        varying = set(self.labels.varying(labels))
        if tied & varying and varying <= tied:
            self.freeze(labels, node, "folds the channels into the batch")
        alike = (
            not varying and core(labels).numel() > 1 and bool(self.labels.find(core(labels)).any())
        )
        settled = self.labels.settle(labels, prefer, tied)
        if alike or (len(varying) > 1 and self.labels.axis(settled) is None):
            self.collapsed.add(node.name)
        if len(varying) > 1 and self.labels.axis(settled) is None:
            self._note(core(labels), node, "ties the channels of two axes")
        if prefer is not None and self.labels.axis(settled) == prefer:
            vector = self.labels.vector(settled, prefer)
            self.heads += [] if vector is None else [vector]
        return settled

    def batch_axes(self, node: fx.Node) -> set[int]:
        """The axes of a node's one tensor that grow with the batch."""
        return moving_axes(self.sizes[node.name], self._larger[node.name])

    def constant(self, node: fx.Node) -> Value:
        """Fixed labels in the shape of a node's output."""
        shape = self.shape(node)
        if isinstance(shape, torch.Size):
            return fixed(shape)
        if isinstance(shape, list | tuple):
            return [fixed(s) if isinstance(s, torch.Size) else fixed(()) for s in shape]
        return None

    def freeze(self, labels: Tensor, node: fx.Node, reason: str) -> None:
        """Hold channels fixed; reported if anything could have been removed there."""
        slim = core(labels)
        free = slim[self.labels.find(slim) != 0]
        if free.numel():
            self._note(free, node, reason)
        self.labels.fix(labels)

    def _note(self, labels: Tensor, node: fx.Node, reason: str) -> None:
        op = rules.name_of(node) if node.op == "call_function" else node.op
        self.freezes.append(Freeze(op, node.name, reason, labels.reshape(-1)))

    def tie(self, first: Tensor, second: Tensor, node: fx.Node) -> None:
        """Unite; reported if one of the two is fixed and holds the other."""
        for one, other in ((first, second), (second, first)):
            slim, held = torch.broadcast_tensors(core(one), core(other))  # type: ignore[no-untyped-call]
            bound = slim[self.labels.find(held) == 0]
            if bool(self.labels.find(bound).any()):
                self.freeze(bound, node, "meets what is fixed")
        self.labels.union(first, second)

    def couple(
        self, node: fx.Node, inputs: dict[int, int], output: int | None, certified: bool = True
    ) -> None:
        """Note that a node computes over the channels that stay."""
        self.coupled[node.name] = Coupled(inputs, output, certified)

    def holds_tensor(self, node: fx.Node) -> bool:
        """Whether a node's value is one tensor."""
        if node.op == "get_attr":
            return isinstance(self._attribute(str(node.target)), Tensor)
        return isinstance(self.values[node.name], Tensor)

    def tensor(self, node: Any) -> Tensor:
        """The tensor behind a get_attr node."""
        return self.tensor_of(node.target)

    def tensor_of(self, name: str) -> Tensor:
        """A tensor of the graph by its name."""
        value = self._attribute(name)
        assert isinstance(value, Tensor)
        return value

    def _attribute(self, name: str) -> Any:
        value: Any = self.graph_module
        for part in name.split("."):
            value = getattr(value, part)
        return value

    def name(self, node: Any) -> str:
        """The tensor's first name in the graph, whatever it is called here (tied weights)."""
        return self._first_name.setdefault(id(self.tensor(node)), node.target)

    def weight(self, node: Any, axis: int) -> Tensor:
        """Labels along one axis of a weight, each axis having its own."""
        key = (self.name(node), axis)
        if key not in self._axes:
            self._axes[key] = self.labels.fresh(self.tensor(node).shape[axis])
        return self._axes[key]

    def _read(self, node: fx.Node) -> Tensor:
        name = self.name(node)
        if name not in self._elements:
            tensor = self.tensor(node)
            small = tensor.dim() and tensor.numel() <= LARGEST_LABELLED
            labelled = small and tensor.is_floating_point()
            fresh = self.labels.fresh(tensor.numel()).view(tensor.shape) if labelled else None
            self._elements[name] = fixed(tensor.shape) if fresh is None else fresh
        return self._elements[name]

    def _freeze_double_roles(self) -> None:
        for node in self.graph_module.graph.nodes:
            name = self.name(node) if node.op == "get_attr" and self.holds_tensor(node) else ""
            if name in self._elements:
                for axis in [axis for owner, axis in self._axes if owner == name]:
                    self.freeze(self._axes[name, axis], node, "the weight is used in two ways")
                    self.labels.fix(self._elements[name])

    def owners(self) -> dict[int, str]:
        """{class: the axis of a tensor it belongs to}, fixed classes included."""
        found: dict[int, str] = {}
        for name, axis, vector in self.axes():
            for root in self.labels.classes(self.labels.root(vector)):
                found.setdefault(root, f"{name}:{axis}")
        return found

    def axes(self) -> list[tuple[str, int, Tensor]]:
        """(tensor name, axis, labels along it) of every weight axis and every labelled constant."""
        found = [(name, axis, vector) for (name, axis), vector in self._axes.items()]
        for name, elements in self._elements.items():
            settled = self.labels.settle(elements)
            sizes = core(settled).shape
            axis = max(range(len(sizes)), key=lambda d: sizes[d], default=0)
            vector = self.labels.vector(settled, axis) if len(sizes) else None
            if vector is not None:
                found.append((name, axis, vector))
        return found


def _has_tensor(shape: Any) -> bool:
    if isinstance(shape, torch.Size):
        return True
    return isinstance(shape, list | tuple) and any(_has_tensor(s) for s in shape)
