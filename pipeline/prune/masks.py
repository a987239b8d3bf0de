"""Zeros that keep every shape: unstructured and N:M masks, and keeping them while training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, fx

from pipeline.artifacts import Checkpoint, Workdir
from pipeline.errors import Refused
from pipeline.models.graph import named_tensors
from pipeline.prune.checkpoint import load, save_like
from pipeline.prune.evidence import first_names
from pipeline.prune.files import write_json
from pipeline.prune.rules import name_of
from pipeline.prune.stage import MaskConfig

UNSTRUCTURED = (
    "Zeros anywhere: a compressed file gets smaller, and kernels for sparse matrices can use them "
    "(XNNPACK: 1x1 convolutions in float, from roughly two thirds zeros). Dense int8 kernels, the "
    "usual ones on CPUs and microcontrollers, take as long as before."
)
N_OF_M = (
    "N of M: 2:4 is what the sparse tensor cores of NVIDIA GPUs (Ampere and later, through "
    "TensorRT or cuSPARSELt) run faster. Other patterns, and CPUs and microcontrollers with TFLite "
    "kernels, run it as a dense model, no faster; only a compressed file gets smaller."
)


def run_mask(model: Checkpoint, cfg: MaskConfig, work: Workdir) -> Checkpoint:
    """Zero weights and write `report.json`: the share of zeros reached, and what it is good for.

    Raises:
        Refused: no weight fits the pattern.
    """
    graph = load(model)
    weights = _weights(graph)
    masks = _unstructured(weights, cfg) if cfg.groups is None else _n_of_m(weights, *cfg.groups)
    if not masks:
        raise Refused(f"no weight has input channels in groups of {cfg.pattern}", fix="see --help")
    with torch.no_grad():
        for name, mask in masks.items():
            weights[name].mul_(mask)
    skipped = sorted(set(weights) - set(masks))
    write_json(work, "report.json", _report(weights, list(masks), skipped, cfg))
    masked = sorted({*masks, *model.meta.get("masked", ())})
    return save_like(work, graph, model, masked=masked)


def keeper(graph: fx.GraphModule, masked: Iterable[str]) -> Callable[[], None]:
    """A function that puts back the zeros the named tensors have now; for after each step."""
    tensors = named_tensors(graph)
    zeros = {name: tensors[name].detach() == 0 for name in masked}

    @torch.no_grad()
    def keep() -> None:
        for name, zero in zeros.items():
            tensors[name].masked_fill_(zero, 0)

    return keep


def _weights(graph: fx.GraphModule) -> dict[str, Tensor]:
    """Weights of convolutions and linear layers, (out, in, ...), by name."""
    tensors, found = named_tensors(graph), {}
    for node, name in first_names(graph).items():
        readers = {name_of(user) for user in node.users if user.op == "call_function"}
        if readers & {"conv1d", "conv2d", "conv3d", "linear"} and tensors[name].dim() > 1:
            found[name] = tensors[name]
    return found


def _unstructured(weights: Mapping[str, Tensor], cfg: MaskConfig) -> dict[str, Tensor]:
    """The smallest magnitudes go (Han et al., 2015, arXiv:1506.02626), by layer or over all."""
    if cfg.scope == "local":
        return {name: _largest(w.detach().abs(), cfg.ratio) for name, w in weights.items()}
    everything = torch.cat([w.detach().abs().flatten() for w in weights.values()])
    mask, found, start = _largest(everything, cfg.ratio), {}, 0
    for name, weight in weights.items():
        found[name] = mask[start : start + weight.numel()].reshape(weight.shape)
        start += weight.numel()
    return found


def _largest(values: Tensor, ratio: float) -> Tensor:
    flat = torch.ones(values.numel())
    flat[torch.argsort(values.flatten(), stable=True)[: int(values.numel() * ratio)]] = 0
    return flat.reshape(values.shape)


def _n_of_m(weights: Mapping[str, Tensor], n: int, m: int) -> dict[str, Tensor]:
    """The n largest of each m neighbours along the input channels stay (arXiv:2104.08378)."""
    found = {}
    for name, weight in weights.items():
        if weight.shape[1] % m:
            continue
        last = weight.detach().abs().movedim(1, -1)
        groups = last.reshape(-1, m)
        order = torch.argsort(groups, dim=1, descending=True, stable=True)
        mask = torch.zeros_like(groups).scatter_(1, order[:, :n], 1)
        found[name] = mask.reshape(last.shape).movedim(-1, 1)
    return found


def _report(
    weights: Mapping[str, Tensor], masked: list[str], skipped: list[str], cfg: MaskConfig
) -> dict[str, Any]:
    zeros = {name: int((weights[name] == 0).sum()) for name in masked}
    total = sum(weight.numel() for weight in weights.values())
    return {
        "pattern": cfg.pattern,
        "zeros": sum(zeros.values()) / total,
        "layers": [{"tensor": n, "zeros": zeros[n] / weights[n].numel()} for n in masked],
        "skipped": skipped,
        "speed": UNSTRUCTURED if cfg.groups is None else N_OF_M,
    }
