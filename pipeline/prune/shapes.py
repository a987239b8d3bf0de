"""Concrete shapes of everything in a graph, and the axes that the batch moves."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.utils import _pytree as pytree

from pipeline.errors import Refused
from pipeline.models.torch_errors import user_line
from pipeline.prune.fold import evaluate, is_constant
from pipeline.prune.rules import name_of


def shapes(graph_module: fx.GraphModule, batch: int) -> dict[str, Any]:
    """{node name: what it holds}, with a `torch.Size` for each tensor and plain ints as they are.

    Nothing is computed but numbers that are read off constants: the graph runs on fake tensors.

    Raises:
        Refused: the graph reads a number off a tensor that depends on the input.
    """
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        run = _Recorder(graph_module, mode)
        kinds = {"float32": _dtype(graph_module)}
        x = [
            torch.empty(batch, *port.shape, dtype=kinds.get(port.dtype, getattr(torch, port.dtype)))
            for port in graph_module.meta["ports"]
        ]
        with torch.no_grad():
            run.run(*x)
    return run.held


def moving_axes(one: Any, two: Any) -> set[int]:
    """The axes whose size differs between two batches, given a tensor's two shapes."""
    return {axis for axis, (a, b) in enumerate(zip(one, two, strict=True)) if a != b}


def _dtype(graph_module: fx.GraphModule) -> torch.dtype:
    kinds = {p.dtype for p in graph_module.parameters()}
    return torch.float64 if torch.float64 in kinds else torch.float32


class _Recorder(fx.Interpreter):
    def __init__(self, graph_module: fx.GraphModule, mode: FakeTensorMode) -> None:
        super().__init__(graph_module)
        self.mode, self.held = mode, dict[str, Any]()

    def run_node(self, n: fx.Node) -> Any:
        value = _number(n) if name_of(n) == "item" else super().run_node(n)
        self.held[n.name] = pytree.tree_map_only(torch.Tensor, lambda t: t.shape, value)
        return value

    def fetch_attr(self, target: str) -> Any:
        value = super().fetch_attr(target)
        return self.mode.from_tensor(value) if isinstance(value, torch.Tensor) else value


def _number(node: fx.Node) -> Any:
    """What `.item()` gives, which fake tensors do not know."""
    if not is_constant(node):
        place = user_line(node.meta.get("stack_trace") or "")
        what = "forward() reads a number off what it computes (.item(), int(), float())"
        raise Refused(what, where=place or None, fix="compute with the tensor instead")
    with unset_fake_temporarily():
        return evaluate(node)
