"""Adaptive rounding: weights are rounded so that a layer's output is nearest, not each of them.

The goal is AdaRound's (Nagel et al. 2020, arXiv:2004.10568), the method column after column with
the rest making up for each one's error (OBQ in the form of Frantar et al. 2022, arXiv:2210.17323):
no training, and the same result every time. Weights end on TFLite's own grid, max|w| / 127 by
output channel, with the largest weight where it was, so any converter finds the same integers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional

from pipeline.inputs.batch import Batch
from pipeline.models.graph import named_tensors
from pipeline.prune.rules import name_of
from pipeline.quantize.homes import Home
from pipeline.quantize.settling import fold_norms

LARGEST = 2304  # columns of a layer; beyond it the nearest weights are kept, for time
DAMPING = 0.01  # of the mean diagonal


class Round(fx.Interpreter):
    """Runs the float graph and rounds each layer after it has run."""

    def __init__(self, graph: fx.GraphModule, layers: list[Home]) -> None:
        super().__init__(graph)
        self.tensors = named_tensors(graph)
        self.layers = {home.node: home for home in layers if not home.turned}
        self.rounded = 0

    def run_node(self, n: fx.Node) -> Any:
        """The node's value, as in float."""
        value = super().run_node(n)
        home = self.layers.get(n)
        if home is not None:
            inputs, kwargs = self.fetch_args_kwargs_from_env(n)
            self.rounded += _round_layer(n, self.tensors[home.weight], inputs, kwargs)
        return value


@torch.no_grad()
def round_weights(graph: fx.GraphModule, samples: Tensor | Batch) -> int:
    """Round all layers over the inputs that `samples` give them; how many."""
    run = Round(graph, fold_norms(graph))
    run.run(*Batch.of(samples).arrays)
    return run.rounded


def _round_layer(node: fx.Node, weight: Tensor, args: Any, kwargs: Any) -> bool:
    groups = int(args[6]) if name_of(node) != "linear" and len(args) > 6 else 1
    rows = weight.detach().view(groups, len(weight) // groups, -1).double()
    if kwargs or rows.shape[2] > LARGEST:
        return False
    weight.copy_(adapted(rows, _moments(node, args, weight, groups)).view_as(weight))
    return True


def _moments(node: fx.Node, args: Any, weight: Tensor, groups: int) -> Tensor:
    """Second moments of a layer's inputs, (groups, columns, columns)."""
    x = args[0].detach()
    if name_of(node) == "linear":
        columns = x.reshape(1, -1, x.shape[-1])
    else:
        columns = _columns(x, args, weight, groups)
    total: Tensor = columns.double().mT @ columns.double() / columns.shape[1]
    return total


def _columns(x: Tensor, args: Any, weight: Tensor, groups: int) -> Tensor:
    """What a convolution multiplies its weights with, (groups, positions, columns)."""
    flat = weight.ndim == 3
    x = x[:, :, None] if flat else x

    def pair(value: Any, missing: int) -> tuple[int, ...]:
        numbers = list(value) if isinstance(value, list | tuple) else [value]
        numbers = numbers * 2 if len(numbers) == 1 and not flat else numbers
        return (missing, *numbers) if flat else tuple(numbers)

    stride, padding, dilation = (
        pair(args[at] if len(args) > at else default, lone)
        for at, default, lone in ((3, 1, 1), (4, 0, 0), (5, 1, 1))
    )
    size = (1, *weight.shape[2:]) if flat else tuple(weight.shape[2:])
    made = functional.unfold(x, size, dilation, padding, stride)
    count, _, places = made.shape
    made = made.view(count, groups, -1, places)
    return made.permute(1, 0, 3, 2).reshape(groups, count * places, -1)


def adapted(rows: Tensor, moments: Tensor) -> Tensor:
    """Weights (groups, out, columns) on their grid, for inputs of these second moments.

    Each row is what is better for the output: rounded together, or each weight to its nearest.
    """
    scales = (rows.abs().amax(2, keepdim=True) / 127).clamp(min=1e-30)
    nearest = (rows / scales).round() * scales
    together = _one_after_the_other(rows, scales, moments)
    gain = _error(rows - together, moments) < _error(rows - nearest, moments)
    return torch.where(gain[..., None], together, nearest)


def _error(difference: Tensor, moments: Tensor) -> Tensor:
    return ((difference @ moments) * difference).sum(2)


def _one_after_the_other(rows: Tensor, scales: Tensor, moments: Tensor) -> Tensor:
    diagonal = moments.diagonal(dim1=1, dim2=2)
    damping = (DAMPING * diagonal.mean(1) + 1e-12)[:, None, None]
    eye = torch.eye(moments.shape[1], dtype=moments.dtype)
    inverse = torch.linalg.cholesky(torch.linalg.inv(moments + damping * eye), upper=True)
    left, done = rows.clone(), torch.empty_like(rows)
    largest = rows.abs().argmax(2, keepdim=True)
    for column in range(rows.shape[2]):
        steps = (left[:, :, column] / scales[:, :, 0]).round().clamp(-127, 127)
        pinned = largest[:, :, 0] == column
        steps = torch.where(pinned, rows[:, :, column].sign() * 127, steps)
        done[:, :, column] = steps * scales[:, :, 0]
        over = (left[:, :, column] - done[:, :, column]) / inverse[:, column, column][:, None]
        left[:, :, column:] -= over[:, :, None] * inverse[:, None, column, column:]
    return done
