"""Weights that a graph computes from its parameters become plain weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx

from pipeline.prune.rules import name_of

_WEIGHT_PLACES = {
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "linear"), (1,)),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), (1,)),
    **dict.fromkeys(("matmul", "mm"), (0, 1)),
    "mv": (0, 1),
    "addmm": (1, 2),
    "embedding": (0,),
    "embedding_bag": (0,),
}


def fold(graph_module: fx.GraphModule) -> fx.GraphModule:
    """The same function with computed weights (standardised, scaled, normalised) at their value.

    A standardised weight depends on all of its inputs, so removing one would change the others;
    its value does not. Training goes on with the value. The tensor keeps the name of the parameter
    it is computed from where that has no other use. A graph without such weights is given back as
    it is. `meta["folded"]` says of each such tensor where it comes from, see `_origin`.
    """
    if not _computed(graph_module):
        return graph_module
    folded = copy.deepcopy(graph_module)
    before, origins = _read(folded), {}
    for number, node in enumerate(_computed(folded)):
        value = evaluate(node).detach().clone()
        name = _own_parameter(node, value) or f"folded_weight_{number}"
        origins[name] = _origin(node)
        _store(folded, name, value)
        with folded.graph.inserting_before(node):
            node.replace_all_uses_with(folded.graph.get_attr(name))
        erase(node)
    for name in before - _read(folded):
        path, _, leaf = name.rpartition(".")
        delattr(folded.get_submodule(path), leaf)
    folded.recompile()
    folded.meta["folded"] = origins
    return folded


def _origin(node: fx.Node) -> dict[str, Any]:
    """`{"tensor", "axis", "start", "stop"}` where it is a part of a stored tensor.

    (As the projections of an attention are.) Empty where its numbers are computed ones.
    """
    stored = [arg for arg in ancestors(node) if arg.op == "get_attr"]
    if len(stored) != 1:
        return {}
    base = _attribute(stored[0])
    places = torch.arange(base.numel(), dtype=torch.float64).view(base.shape)
    try:
        taken = evaluate(node, {stored[0]: places})
    except RuntimeError:
        return {}
    for axis in range(base.dim()) if taken.dim() == base.dim() else ():
        length = taken.shape[axis]
        for start in range(base.shape[axis] - length + 1):
            if torch.equal(places.narrow(axis, start, length), taken):
                where = {"axis": axis, "start": start, "stop": start + length}
                return {"tensor": str(stored[0].target), **where}
    return {}


def _computed(graph_module: fx.GraphModule) -> list[fx.Node]:
    constant = constants(graph_module)
    found: dict[fx.Node, None] = {}
    for node in graph_module.graph.nodes:
        places = _WEIGHT_PLACES.get(name_of(node), ()) if node.op == "call_function" else ()
        if places and any(arg not in constant for arg in node.all_input_nodes):
            for weight in (node.args[place] for place in places):
                if weight in constant and weight.op != "get_attr":
                    found[weight] = None
    return list(found)


def constants(graph_module: fx.GraphModule) -> dict[fx.Node, None]:
    """The nodes that depend neither on the input nor on chance, in the order of the graph."""
    found: dict[fx.Node, None] = {}
    for node in graph_module.graph.nodes:
        chance = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
        known = all(arg in found for arg in node.all_input_nodes)
        if node.op == "get_attr" or (node.op == "call_function" and known and not chance):
            found[node] = None
    return found


def evaluate(node: fx.Node, given: Mapping[fx.Node, Tensor] | None = None) -> Tensor:
    """The value of a node that depends on no input, or on values that are `given`."""
    known: dict[fx.Node, Any] = dict(given or {})

    def value(arg: fx.Node) -> Any:
        if arg not in known:
            if arg.op == "get_attr":
                known[arg] = _attribute(arg)
            else:
                args, kwargs = fx.map_arg((arg.args, arg.kwargs), value)
                known[arg] = arg.target(*args, **kwargs)  # type: ignore[operator]
        return known[arg]

    with torch.no_grad():
        found: Tensor = value(node)
    return found


def is_constant(node: fx.Node) -> bool:
    """Whether a node depends on no input."""
    return all(arg.op != "placeholder" for arg in ancestors(node))


def _attribute(node: fx.Node) -> Any:
    value: Any = node.graph.owning_module
    for part in str(node.target).split("."):
        value = getattr(value, part)
    return value.detach().clone() if isinstance(value, Tensor) else value


def ancestors(node: fx.Node) -> set[fx.Node]:
    """A node and all that it depends on."""
    found, todo = {node}, [node]
    while todo:
        new = [arg for arg in todo.pop().all_input_nodes if arg not in found]
        found.update(new)
        todo += new
    return found


def _own_parameter(node: fx.Node, value: Tensor) -> str | None:
    inside = ancestors(node)
    module = node.graph.owning_module
    assert module is not None
    names = {str(arg.target) for arg in inside if arg.op == "get_attr"}
    for name, parameter in module.named_parameters():
        if name in names and parameter.shape == value.shape:
            readers = [n for n in node.graph.nodes if n.op == "get_attr" and n.target == name]
            if all(user in inside for reader in readers for user in reader.users):
                return name
    return None


def _store(graph_module: fx.GraphModule, name: str, value: Tensor) -> None:
    path, _, leaf = name.rpartition(".")
    setattr(graph_module.get_submodule(path), leaf, torch.nn.Parameter(value))


def erase(node: fx.Node) -> None:
    """Take out of the graph what only this node needed, itself included."""
    for one in reversed([n for n in node.graph.nodes if n in ancestors(node)]):
        if not one.users:
            node.graph.erase_node(one)


def _read(graph_module: fx.GraphModule) -> set[str]:
    return {str(node.target) for node in graph_module.graph.nodes if node.op == "get_attr"}
