"""Weights of a converted file, found in the torch model by their values and written back there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from pipeline.models.graph import named_tensors
from pipeline.quantize.homes import Home, folded, homes

CLOSE = 1e-4  # of the largest weight; converters fold batch norm in another order than we do


@dataclass(frozen=True)
class Fit:
    """A file's weights (out, columns) are those of the home, `[:, order]`.

    `bias`: so are its biases. Where they are not (an addition of its own holds them), they stay.
    """

    home: Home
    order: Tensor
    bias: bool = True


@torch.no_grad()
def settle(graph: fx.GraphModule, layers: list[tuple[Tensor, Tensor]]) -> list[Fit | None]:
    """For each layer of a file, weights (out, ...) and biases, the torch layer it comes from.

    Found by value, each layer once, the earliest first; None where no layer has these values (the
    converter merged operators) or one that several could have.
    """
    tensors = named_tensors(graph)
    free = [part for home in homes(graph) for part in _parts(home, len(tensors[home.weight]))]
    known = {home: folded(home, tensors) for home in free}
    found: list[Fit | None] = []
    for weight, bias in layers:
        matrix = weight.detach().double().flatten(1)
        fits = (_fit(home, known[home], matrix, bias.detach().double()) for home in free)
        fit = next((one for one in fits if one is not None), None)
        if fit is not None:
            free = [home for home in free if not _overlap(home, fit.home)]
        found.append(fit)
    return found


@torch.no_grad()
def write_back(graph: fx.GraphModule, fit: Fit, weight: Tensor, bias: Tensor | None) -> None:
    """Put a file's weights (out, ...) and biases into the layer; its batch norm becomes neutral."""
    tensors, home = named_tensors(graph), fit.home
    matrix = torch.empty_like(weight.flatten(1))
    matrix[:, fit.order] = weight.flatten(1)
    target = tensors[home.weight] if home.turned else tensors[home.weight][home.rows]
    shape = target.transpose(0, 1).shape if home.turned else target.shape
    value = matrix.reshape(shape)
    target.copy_(value.transpose(0, 1) if home.turned else value)
    if home.norm is not None:
        _make_identity(home, tensors)
    if bias is None:
        return
    if home.norm is None:
        if home.bias is not None:
            tensors[home.bias][home.rows].copy_(bias)
        return
    beta = home.norm.beta
    tensors[beta or home.norm.mean][home.rows].copy_(bias if beta else -bias)


def _make_identity(home: Home, tensors: dict[str, Any]) -> None:
    norm = home.norm
    assert norm is not None
    neutral = float(np.float32(1) - np.float32(norm.eps))
    values = ((norm.mean, 0.0), (norm.variance, neutral), (norm.gamma, 1.0), (norm.beta, 0.0))
    for name, value in (*values, (home.bias, 0.0)):
        if name is not None:
            tensors[name][home.rows].fill_(value)


@torch.no_grad()
def fold_norms(graph: fx.GraphModule) -> list[Home]:
    """Move each batch norm behind a layer into its weights and bias; what is left is neutral."""
    tensors, found = named_tensors(graph), homes(graph)
    for home in found:
        if home.norm is not None and not home.turned:
            weight, bias = folded(home, tensors)
            same = Fit(home, torch.arange(weight.shape[1]))
            write_back(graph, same, weight.float(), bias.float())
    return found


def _parts(home: Home, channels: int) -> Iterator[Home]:
    """The layer itself, and each of its groups alone."""
    yield home
    size = channels // home.groups
    for first in range(0, channels if home.groups > 1 and size > 1 else 0, size):
        yield replace(home, first=first, end=first + size)


def _overlap(one: Home, two: Home) -> bool:
    whole = one.end is None or two.end is None
    return one.node is two.node and (whole or one.first == two.first)


def _fit(home: Home, own: tuple[Tensor, Tensor], wanted: Tensor, wanted_bias: Tensor) -> Fit | None:
    mine, my_bias = own
    if mine.shape != wanted.shape:
        return None
    same_bias = _close(my_bias, wanted_bias)
    if home.norm is not None and not same_bias:
        return None  # the norm could not be made neutral
    same = torch.arange(mine.shape[1])
    for order in (same, _order_by_value(mine, wanted)):
        if order is not None and _close(mine[:, order], wanted):
            return Fit(home, order, same_bias)
    return None


def _order_by_value(mine: Tensor, wanted: Tensor) -> Tensor | None:
    """Which of `mine`'s columns each of `wanted`'s is, by a random projection; or None."""
    draw = torch.randn(len(mine), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    keys, sought = draw @ mine, draw @ wanted
    ordered = keys.sort()
    apart = ordered.values.diff().abs().min() if len(keys) > 1 else torch.tensor(1.0)
    if apart < 1e-9 * keys.abs().max():
        return None
    order = torch.empty_like(ordered.indices)
    order[sought.argsort()] = ordered.indices
    return order


def _close(one: Tensor, two: Tensor) -> bool:
    return bool((one - two).abs().max() <= CLOSE * two.abs().max())
