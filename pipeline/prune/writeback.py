"""Put a pruned graph's tensors back into the user's own `nn.Module`, where that is the same."""

from __future__ import annotations

import copy
import io
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from pipeline.artifacts import Checkpoint, write_atomic
from pipeline.errors import Refused, UsageError
from pipeline.inputs.batch import Batch
from pipeline.models.factory import build
from pipeline.models.graph import named_tensors
from pipeline.models.torch_errors import reason
from pipeline.prune.certify import Samples, difference, noise, to_float64
from pipeline.prune.checkpoint import load
from pipeline.prune.rules import name_of

EQUAL = 1e-6
"""Largest relative error, in float64, at which outputs count as equal: tables and computed weights
are stored in float32."""


def write_back(
    module: nn.Module, pruned: fx.GraphModule, *, inputs: Samples | None = None, seed: int = 0
) -> nn.Module:
    """A copy of `module` with the tensors and widths of `pruned`, the graph pruned from it.

    It is given only if its outputs are those of the graph, in eval mode and float64, on random
    and, if given, real `inputs`.

    Raises:
        Refused: the module computes with widths of its own, or its outputs differ.
    """
    own = copy.deepcopy(module).eval()
    for name, tensor in named_tensors(pruned).items():
        _put(own, name, tensor)
    _set_widths(own, pruned)
    samples = [noise(pruned, 3, torch.Generator().manual_seed(seed))]
    samples += [] if inputs is None else [Batch.of(inputs).double()]
    fix = "use the pruned graph itself: it is exact"
    try:
        with redirect_stdout(sys.stderr):  # a module that prints
            error = difference(copy.deepcopy(own).double(), to_float64(pruned), samples)
    except Exception as problem:
        what = f"the module cannot hold the pruned widths: {reason(problem)}"
        raise Refused(what, fix=fix) from problem
    if not error <= EQUAL:
        what = f"the module's output differs from the pruned graph's (relative error {error:.1e})"
        raise Refused(what, fix=fix)
    return own.train(module.training)


def save_module(checkpoint: Checkpoint, file: Path) -> None:
    """Write the user's own module, pruned, for `torch.load(file, weights_only=False)`.

    Raises:
        UsageError: the model comes from a `.pt2`, which holds no module of the user's.
        Refused: as `write_back`.
    """
    source = checkpoint.meta["source"]
    if "factory" not in source:
        fix = "give --model as module:function"
        raise UsageError("a .pt2 holds no nn.Module to write back to", fix=fix)
    own = write_back(build(source), load(checkpoint))
    buffer = io.BytesIO()
    torch.save(own, buffer)
    write_atomic(file, buffer.getvalue())


def _put(module: nn.Module, name: str, tensor: Tensor) -> None:
    path, _, leaf = name.rpartition(".")
    try:
        owner = module.get_submodule(path)
    except AttributeError:
        return  # a constant of the graph, which the module computes itself
    if leaf in owner._parameters and owner._parameters[leaf] is not None:
        owner._parameters[leaf] = nn.Parameter(tensor.detach().clone(), tensor.requires_grad)
    elif leaf in owner._buffers and owner._buffers[leaf] is not None:
        owner._buffers[leaf] = tensor.detach().clone()


def _set_widths(module: nn.Module, pruned: fx.GraphModule) -> None:
    groups = _groups(pruned)
    for name, layer in module.named_modules():
        if isinstance(layer, nn.modules.conv._ConvNd):
            layer.groups = groups.get(f"{name}.weight", layer.groups)
            first, second = layer.weight.shape[:2]
            pair = (first, second * layer.groups)
            layer.in_channels, layer.out_channels = pair if layer.transposed else pair[::-1]
        elif isinstance(layer, nn.Linear):
            layer.out_features, layer.in_features = layer.weight.shape
        elif isinstance(layer, nn.modules.batchnorm._NormBase):
            held = layer.weight if layer.weight is not None else layer.running_mean
            layer.num_features = layer.num_features if held is None else len(held)
        elif isinstance(layer, nn.LayerNorm) and layer.weight is not None:
            layer.normalized_shape = tuple(layer.weight.shape)
        elif isinstance(layer, nn.GroupNorm) and layer.weight is not None:
            layer.num_groups = groups.get(f"{name}.weight", layer.num_groups)
            layer.num_channels = len(layer.weight)
        elif isinstance(layer, nn.RNNBase):
            weights = dict(layer.named_parameters(recurse=False))
            layer.hidden_size = weights["weight_hh_l0"].shape[1]
            if "weight_hr_l0" in weights:
                layer.proj_size, layer.hidden_size = weights["weight_hr_l0"].shape
            layer.input_size = weights["weight_ih_l0"].shape[1]
            layer._init_flat_weights()
        elif isinstance(layer, nn.RNNCellBase):
            layer.hidden_size, layer.input_size = layer.weight_hh.shape[1], layer.weight_ih.shape[1]
        elif isinstance(layer, nn.Bilinear):
            layer.out_features, layer.in1_features, layer.in2_features = layer.weight.shape
        elif isinstance(layer, nn.Embedding):
            layer.embedding_dim = layer.weight.shape[1]


def _groups(pruned: fx.GraphModule) -> dict[str, int]:
    """{weight: groups} of the graph's convolutions and group norms."""
    found = {}
    for node in pruned.graph.nodes:
        if node.op != "call_function" or not hasattr(node.target, "_schema"):
            continue
        names = [argument.name for argument in node.target._schema.arguments]
        given: dict[str, Any] = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
        key = "num_groups" if name_of(node) == "group_norm" else "groups"
        weight = given.get("weight")
        if isinstance(weight, fx.Node) and (key in given or name_of(node).startswith("conv")):
            found[str(weight.target)] = int(given.get(key, 1))
    return found
