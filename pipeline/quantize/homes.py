"""The layers of a torch model whose weights a converted file may hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from pipeline.prune.rules import name_of

CONVOLUTIONS = frozenset({"conv1d", "conv2d", "linear"})
TRANSPOSED = frozenset({"conv_transpose1d", "conv_transpose2d"})


@dataclass(frozen=True)
class Norm:
    """Names of a batch norm's tensors behind a convolution; gamma and beta may be missing."""

    gamma: str | None
    beta: str | None
    mean: str
    variance: str
    eps: float


@dataclass(frozen=True)
class Home:
    """A convolution or linear layer of the torch model; `turned`: weights are (in, out, ...).

    `first` to `end` are the output channels meant: all, or those of one group, which a converter
    may have made a layer of its own.
    """

    node: fx.Node
    weight: str
    bias: str | None
    norm: Norm | None
    turned: bool
    groups: int = 1
    first: int = 0
    end: int | None = None

    @property
    def rows(self) -> slice:
        """Those output channels."""
        return slice(self.first, self.end)

    @property
    def takes_bias(self) -> bool:
        """Whether a trained bias has a tensor to go to."""
        return self.bias is not None or self.norm is not None


def homes(graph: fx.GraphModule) -> list[Home]:
    """The layers whose weights are parameters read once, in topological order."""
    found = list(_layers(graph))
    uses = Counter(home.weight for home in found)
    return [home for home in found if uses[home.weight] == 1]


def _layers(graph: fx.GraphModule) -> Iterator[Home]:
    for node in graph.graph.nodes:
        name = name_of(node) if node.op == "call_function" else ""
        if name not in CONVOLUTIONS | TRANSPOSED:
            continue
        weight, bias = _parameter(node, 1), _parameter(node, 2)
        groups: Any = node.args[6] if name != "linear" and len(node.args) > 6 else 1
        if weight is None or (name in TRANSPOSED and groups != 1):
            continue
        yield Home(node, weight, bias, _norm_behind(node), name in TRANSPOSED, groups)


def _parameter(node: fx.Node, place: int) -> str | None:
    arg = node.args[place] if len(node.args) > place else None
    return str(arg.target) if isinstance(arg, fx.Node) and arg.op == "get_attr" else None


def _norm_behind(node: fx.Node) -> Norm | None:
    """The batch norm that reads this layer and nothing else does."""
    users = list(node.users)
    if len(users) != 1 or users[0].op != "call_function" or name_of(users[0]) != "batch_norm":
        return None
    norm = users[0]
    gamma, beta, mean, variance = (_parameter(norm, place) for place in (1, 2, 3, 4))
    if mean is None or variance is None:
        return None
    return Norm(gamma, beta, mean, variance, float(norm.args[7]))  # type: ignore[arg-type]


@torch.no_grad()
def folded(home: Home, tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Weights as a matrix (out, columns) and biases (out,), batch norm folded in, float64."""
    weight = tensors[home.weight].double()
    weight = (weight.transpose(0, 1) if home.turned else weight).flatten(1)
    bias = tensors[home.bias].double() if home.bias else torch.zeros(len(weight)).double()
    if home.norm is None:
        return weight[home.rows], bias[home.rows]
    norm = home.norm
    factor = (tensors[norm.variance].double() + norm.eps).rsqrt()
    factor = factor * tensors[norm.gamma].double() if norm.gamma else factor
    beta = tensors[norm.beta].double() if norm.beta else 0.0
    bias = (bias - tensors[norm.mean].double()) * factor + beta
    return (weight * factor[:, None])[home.rows], bias[home.rows]


def on_grid(weight: Tensor, *, turned: bool = False) -> Tensor:
    """The nearest weights that int8 holds: per output channel, symmetric, scale max|w| / 127."""
    rows = (weight.transpose(0, 1) if turned else weight).detach().flatten(1)
    scales = (rows.abs().amax(1, keepdim=True) / 127).clamp(min=1e-30)
    steps = (rows / scales).round() * scales
    if not turned:
        return steps.reshape(weight.shape)
    return steps.reshape(weight.transpose(0, 1).shape).transpose(0, 1)


@torch.no_grad()
def shift_bias(home: Home, tensors: dict[str, Tensor], shift: Tensor) -> bool:
    """Add to a layer's bias, (out,), where it has one (a neutral batch norm's counts)."""
    if home.norm is not None:
        sign = 1.0 if home.norm.beta else -1.0
        tensors[home.norm.beta or home.norm.mean].add_(sign * shift)
    elif home.bias is not None:
        tensors[home.bias].add_(shift)
    return home.takes_bias
