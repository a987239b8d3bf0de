"""A network's int8 inference as a torch graph with gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from pipeline.errors import Refused
from pipeline.qat.grid import Grid, Real
from pipeline.qat.kernels import Kernel, Place, Unknown, find
from pipeline.qat.network import Network, Operator
from pipeline.qat.rules import FIXED, SHARES


class Enter(nn.Module):
    """Samples in torch's layout, real values, become steps in the file's layout."""

    floating = False

    def __init__(self, grid: Grid, order: Sequence[int]) -> None:
        super().__init__()
        self.grid, self.order = grid, list(order)

    def forward(self, x: Tensor) -> Tensor:
        """(n, *input) -> steps, channels last."""
        x = x.permute(self.order)
        return x if self.floating else self.grid.steps(x)


class Leave(nn.Module):
    """An output's steps become real values in torch's layout."""

    floating = False

    def __init__(self, grid: Grid, order: Sequence[int]) -> None:
        super().__init__()
        self.grid, self.order = grid, list(order)

    def forward(self, x: Tensor) -> Tensor:
        """Steps, channels last -> (n, *output)."""
        return (x if self.floating else self.grid.real(x)).permute(self.order)


def grids(network: Network) -> dict[int, Grid]:
    """{tensor: its grid}; tensors that must share a scale share the object."""
    leader = {tensor.index: tensor.index for tensor in network.tensors}

    def root(index: int) -> int:
        while leader[index] != index:
            index = leader[index]
        return index

    fixed: dict[int, tuple[float, int]] = {}
    for operator in network.operators:
        if operator.name in FIXED:
            fixed[operator.outputs[0]] = FIXED[operator.name]
        if operator.name in SHARES:
            floats = [t.index for t in network.activations(operator) if t.is_float]
            for index in (*floats, *operator.outputs):
                leader[root(index)] = root(floats[0])
    kinds = {root(index): kind for index, kind in fixed.items()}
    made: dict[int, Grid] = {index: Real() for index in _floats(network)}
    for tensor in network.tensors:
        if tensor.index not in made and tensor.data is None and tensor.is_float:
            top = root(tensor.index)
            made.setdefault(top, Grid(fixed=kinds.get(top)))
            made[tensor.index] = made[top]
    return made


def _floats(network: Network) -> set[int]:
    """What is dequantized, and what is computed of nothing else."""
    found: set[int] = set()
    for operator in network.operators:
        given = {t.index for t in network.activations(operator) if t.is_float}
        if operator.name == "DEQUANTIZE" or (given and given <= found):
            found.update(operator.outputs)
    return found


def simulate(
    network: Network, layout: Mapping[str, Any], where: Callable[[Operator], str] = lambda _: ""
) -> fx.GraphModule:
    """The graph: samples in torch's layout in, outputs in torch's order and layout out.

    `layout` is an export's; `where` says what line of the torch model an operator comes from. Node
    `meta["tensors"]` names the tensors of the file that a node's value stands for.

    Raises:
        Refused: an operator whose int8 arithmetic is not simulated, named with its source.
    """
    found = grids(network)
    root, graph = nn.Module(), fx.Graph()
    values: dict[int, fx.Node] = {}
    (entry,) = network.inputs
    root.enter = Enter(found[entry], layout["input"])
    values[entry] = graph.call_module("enter", (graph.placeholder("x"),))
    values[entry].meta["tensors"] = (entry,)
    for operator in network.operators:
        name = kernel_name(operator)
        setattr(root, name, _kernel(Place(network, operator, found), where))
        _call(graph, name, operator, network, values)
    leaves = []
    for number, entry_of in enumerate(layout["outputs"]):
        index = network.outputs[entry_of["name"]]
        setattr(root, f"leave_{number}", Leave(found[index], entry_of["to_torch"]))
        leaves.append(graph.call_module(f"leave_{number}", (values[index],)))
    graph.output(leaves[0] if len(leaves) == 1 else tuple(leaves))
    return fx.GraphModule(root, graph)


def kernel_name(operator: Operator) -> str:
    """Name of an operator's kernel in the simulation."""
    return f"{operator.name.lower()}_{operator.index}"


def set_floating(model: nn.Module, floating: bool) -> None:
    """Let the graph compute the float network (True) or its int8 inference."""
    for module in model.modules():
        if isinstance(module, Kernel | Enter | Leave):
            module.floating = floating


def _kernel(place: Place, source: Callable[[Operator], str]) -> Kernel:
    operator = place.operator
    make, why = find(operator.name), "its int8 arithmetic is not simulated"
    try:
        if make is not None:
            return make(place)
    except Unknown as error:
        why = str(error)
    raise Refused(
        f"operator {operator.name} cannot be trained in int8: {why}",
        where=source(operator) or place.network.tensors[operator.outputs[0]].name,
        fix="replace it in the model, or quantize this model without a qat step",
    )


def _call(
    graph: fx.Graph, name: str, operator: Operator, network: Network, values: dict[int, fx.Node]
) -> None:
    given = [values[t.index] for t in network.activations(operator) if t.is_float]
    node = graph.call_module(name, tuple(given))
    if len(operator.outputs) == 1:
        values[operator.outputs[0]] = node
        node.meta["tensors"] = operator.outputs
        return
    for number, index in enumerate(operator.outputs):
        part = graph.call_function(_item, (node, number))
        part.meta["tensors"] = (index,)
        values[index] = part


def _item(values: Sequence[Tensor], number: int) -> Tensor:
    return values[number]


def tensor_ranges(model: fx.GraphModule, x: Tensor) -> dict[int, Tensor]:
    """{tensor of the file: its values} for a batch in torch's layout."""
    seen: dict[int, Tensor] = {}

    class Watch(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            value = super().run_node(n)
            for index in n.meta.get("tensors", ()):
                seen[index] = value
            return value

    with torch.no_grad():
        Watch(model).run(x)
    return seen
