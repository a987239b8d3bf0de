"""Empirical bias correction (Nagel et al. 2019, arXiv:1906.04721, section 4.2)."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from pipeline.inputs.batch import Batch
from pipeline.models.graph import named_tensors
from pipeline.prune.rules import name_of
from pipeline.quantize.homes import Home, on_grid, shift_bias
from pipeline.quantize.imitate import is_stored, to_grid
from pipeline.quantize.settling import fold_norms


@dataclass(frozen=True)
class Both:
    """A value in float and in imitated int8."""

    floating: Any
    integer: Any


class Beside(fx.Interpreter):
    """Runs the float graph and its imitated int8 side by side, correcting layer after layer.

    A layer is corrected before the next one runs, so that each sees what its inputs become.
    """

    def __init__(self, graph: fx.GraphModule, layers: list[Home]) -> None:
        super().__init__(graph)
        self.before = named_tensors(copy.deepcopy(graph))
        self.tensors = named_tensors(graph)
        self.layers = {home.node: home for home in layers}
        self.corrected = 0

    def run_node(self, n: fx.Node) -> Any:
        """Both values of a node."""
        if n.op == "placeholder":
            value = super().run_node(n)
            stored = to_grid(value, value) if value.is_floating_point() else value
            return Both(value, stored)
        if n.op == "get_attr":
            name = str(n.target)
            if name in self.tensors:
                return Both(self.before[name], self.tensors[name])
        if n.op != "call_function":
            return super().run_node(n)
        return self._call(n)

    def _call(self, node: fx.Node) -> Any:
        given = self.fetch_args_kwargs_from_env(node)
        floating, integer = _side(given, "floating"), _side(given, "integer")
        want = node.target(*floating[0], **floating[1])  # type: ignore[operator]
        home = self.layers.get(node)
        if home is None:
            got = node.target(*integer[0], **integer[1])  # type: ignore[operator]
        else:
            got = self._corrected(home, want, integer)
        return Both(want, to_grid(got, want) if is_stored(node, want) else got)

    def _corrected(self, home: Home, want: Tensor, given: Any) -> Tensor:
        args, kwargs = list(given[0]), given[1]
        args[1] = on_grid(args[1], turned=home.turned)
        got: Tensor = home.node.target(*args, **kwargs)  # type: ignore[operator]
        axis = got.ndim - 1 if name_of(home.node) == "linear" else 1
        error = (got - want).mean([d for d in range(got.ndim) if d != axis])
        if shift_bias(home, self.tensors, -error):
            self.corrected += 1
            if home.norm is None:  # else the norm, which comes next, takes it away
                got = got - error.view(*[-1 if d == axis else 1 for d in range(got.ndim)])
        return got


@torch.no_grad()
def correct_bias(graph: fx.GraphModule, samples: Tensor | Batch) -> int:
    """Shift each layer's bias by the mean error of its channels over `samples`.

    In place; returns the number of layers.
    """
    run = Beside(graph, fold_norms(graph))
    run.run(*Batch.of(samples).arrays)
    return run.corrected


def _side(given: Any, side: str) -> Any:
    return pytree.tree_map(lambda v: getattr(v, side) if isinstance(v, Both) else v, given)
