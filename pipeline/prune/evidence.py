"""What the data say about weights and channels: gathered once, read by the criteria."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx

from pipeline.inputs.batch import Batch
from pipeline.prune.rules import name_of

_DIRECT = ("conv1d", "conv2d", "conv3d", "linear")


@dataclass(frozen=True)
class Evidence:
    """Per tensor name: `gradient` of the loss, `squared` gradients of single samples, `curvature`.

    `activation` is {(tensor, axis): mean absolute value that arrives at, or leaves, a layer's
    channels}; `scales` names the tensors that scale a batch norm.
    """

    gradient: Mapping[str, Tensor] = field(default_factory=dict)
    squared: Mapping[str, Tensor] = field(default_factory=dict)
    curvature: Mapping[str, Tensor] = field(default_factory=dict)
    activation: Mapping[tuple[str, int], Tensor] = field(default_factory=dict)
    scales: frozenset[str] = frozenset()


def first_names(graph_module: fx.GraphModule) -> dict[fx.Node, str]:
    """{node that reads a tensor: the name the graph reads that tensor by first} (tied weights)."""
    seen: dict[int, str] = {}
    found = {}
    for node in graph_module.graph.nodes:
        if node.op != "get_attr":
            continue
        value: object = graph_module
        for part in str(node.target).split("."):
            value = getattr(value, part)
        if isinstance(value, Tensor):
            found[node] = seen.setdefault(id(value), str(node.target))
    return found


def scales(graph_module: fx.GraphModule) -> frozenset[str]:
    """Names of the weights of batch norms."""
    names = first_names(graph_module)
    calls = [n for n in graph_module.graph.nodes if n.op == "call_function"]
    weights = [node.args[1] for node in calls if name_of(node) == "batch_norm"]
    return frozenset(names[weight] for weight in weights if weight in names)


def activations(
    graph_module: fx.GraphModule, inputs: Tensor | Batch
) -> dict[tuple[str, int], Tensor]:
    """{(weight, axis): mean absolute activation of each channel along that axis of the weight}.

    Convolutions (ungrouped or depthwise) and linear layers are watched.
    """
    run = _Watcher(graph_module)
    with torch.no_grad():
        run.run(*Batch.of(inputs).arrays)
    return run.found


class _Watcher(fx.Interpreter):
    def __init__(self, graph_module: fx.GraphModule) -> None:
        super().__init__(graph_module)
        self.names = first_names(graph_module)
        self.found: dict[tuple[str, int], Tensor] = {}

    def run_node(self, n: fx.Node) -> object:
        value = super().run_node(n)
        if n.op == "call_function" and name_of(n) in _DIRECT and n.args[1] in self.names:
            self._note(n, value)
        return value

    def _note(self, node: fx.Node, output: object) -> None:
        channel = -1 if name_of(node) == "linear" else 1
        source, weight = (self.env[arg] for arg in node.args[:2])  # type: ignore[index]
        name = self.names[node.args[1]]  # type: ignore[index]
        arriving, leaving = _mean(source, channel), _mean(output, channel)
        self.found[name, 0] = leaving
        if len(arriving) == weight.shape[1]:
            self.found[name, 1] = arriving


def _mean(x: object, axis: int) -> Tensor:
    assert isinstance(x, Tensor)
    return x.abs().movedim(axis, 0).flatten(1).mean(1)
