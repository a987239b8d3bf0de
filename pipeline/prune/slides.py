"""Kernels that slide over the channels (as in ECA-Net) see zeros where channels went."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx

from pipeline.models.graph import named_tensors
from pipeline.prune.rules import name_of
from pipeline.prune.rules.picking import SLIDES
from pipeline.prune.trace import Trace

_SELECT = torch.ops.aten.index_select.default
_PAD = torch.ops.aten.constant_pad_nd.default
_CONVOLUTIONS = {"conv1d", "conv2d", "conv3d"}


def spread(graph_module: fx.GraphModule) -> fx.GraphModule:
    """The same function, with the channels that a kernel slides over picked before and after it.

    A kernel that mixes neighbours would mix others if channels went from between them. Once they
    are cut, the first pick reads a zero for each that is gone, so that the kernel slides over as
    many places as before, and the second takes the results of those that stay: a few bytes are
    moved, for a vector of one number a channel. (Wang et al., 2020, arXiv:1910.03151.) A graph
    without such kernels is given back.
    """
    if not any(_makes_one(node, graph_module) for node in graph_module.graph.nodes):
        return graph_module
    trace = Trace(graph_module, uncertified=True)
    found = {
        node.name: trace.coupled[node.name].inputs[0]
        for node in graph_module.graph.nodes
        if _makes_one(node, graph_module)
        and node.name in trace.coupled
        and node.args[0].name in trace.zero
    }
    return _picked(graph_module, trace, found) if found else graph_module


def _makes_one(node: fx.Node, graph_module: fx.GraphModule) -> bool:
    """Whether it is a convolution with one output channel, and a stored weight."""
    if node.op != "call_function" or name_of(node) not in _CONVOLUTIONS:
        return False
    weight: Any = node.args[1]
    tensors = named_tensors(graph_module)
    return str(weight.target) in tensors and len(tensors[weight.target]) == 1


def _picked(graph_module: fx.GraphModule, trace: Trace, found: Mapping[str, int]) -> fx.GraphModule:
    picked = copy.deepcopy(graph_module)
    for node in [node for node in picked.graph.nodes if node.name in found]:
        axis, source = found[node.name], node.args[0]
        shape = trace.shape(source)
        for kind in ("spread", "picked"):
            picked.register_buffer(f"{node.name}_{kind}", torch.arange(shape[axis]))
        with picked.graph.inserting_before(node):
            amounts = [0, 0] * (len(shape) - 1 - axis) + [0, 1]
            padded = picked.graph.call_function(_PAD, (source, amounts))
            node.update_arg(0, _select(picked.graph, padded, axis, f"{node.name}_spread"))
            node.args[0].meta[SLIDES] = "spread"
        with picked.graph.inserting_before(node.next):
            taken = _select(picked.graph, node, axis, f"{node.name}_picked")
            taken.meta[SLIDES] = "pick"
        node.replace_all_uses_with(taken, delete_user_cb=lambda user, own=taken: user is not own)
    picked.recompile()
    return picked


def _select(graph: fx.Graph, x: fx.Node, axis: int, places: str) -> fx.Node:
    return graph.call_function(_SELECT, (x, axis, graph.get_attr(places)))
