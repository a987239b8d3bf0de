"""torch-pruning on the same network, judged by the same masked original."""

from __future__ import annotations

import copy
import importlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from pipeline.models.graph import capture, named_tensors
from pipeline.prune.certify import difference
from pipeline.prune.cost import macs, parameters
from tests.benchmarks.prune.clock import Clock
from tests.prune.judge import Masked


def rival(module: nn.Module, shape: tuple[int, ...], wrong: float) -> dict[str, Any]:
    """Half of all channels by group magnitude; `unjudged` where a mask cannot be derived."""
    tp: Any = importlib.import_module("torch_pruning")
    dense, x = copy.deepcopy(module), torch.randn(2, *shape)
    clock = Clock()
    pruner = _pruner(tp, module, x, None)
    cuts = _Cuts(module)
    for group in pruner.step(interactive=True):
        cuts.note(group)
        group.prune()
    with torch.no_grad():
        module(x)
    seconds = clock.lap("prune")
    samples = [torch.randn(2, *shape, dtype=torch.float64)]
    error = difference(Masked(dense, cuts.plan()), _Double(module), samples) if cuts.known else None
    sizes = [capture(each, shape) for each in (module, dense)]
    return {
        "status": "unjudged" if error is None else "pruned" if error <= wrong else "wrong",
        "error": error,
        "macs_kept": macs(sizes[0]) / macs(sizes[1]),
        "params_kept": parameters(sizes[0]) / parameters(sizes[1]),
        **seconds,
    }


def _pruner(tp: Any, module: nn.Module, x: Tensor, round_to: int | None) -> Any:
    with torch.no_grad():
        widths = {y.shape[1] for y in pytree.tree_leaves(module(x)) if y.dim() > 1}
    layers = [m for m in module.modules() if isinstance(m, nn.Linear | nn.modules.conv._ConvNd)]
    heads = [m for m in layers[-6:] if m.weight.shape[0] in widths]
    importance = tp.importance.GroupMagnitudeImportance(p=2)
    return tp.pruner.BasePruner(
        module, x, importance, pruning_ratio=0.5, ignored_layers=heads, round_to=round_to
    )


class _Double(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = copy.deepcopy(module).double()

    def forward(self, x: Tensor) -> Any:
        return self.module(x)


class _Cuts:
    """Which places of the original tensors are gone; indices shift with every cut."""

    def __init__(self, module: nn.Module) -> None:
        self.sizes = {name: tensor.shape for name, tensor in named_tensors(module).items()}
        self.names = {layer: name for name, layer in module.named_modules()}
        self.alive: dict[tuple[str, int], Tensor] = {}
        self.known = True

    def note(self, group: Any) -> None:
        for dependency, indices in group:
            layer = dependency.target.module
            name = self.names.get(layer, "")
            inward = dependency.handler.__name__.endswith("in_channels")
            if isinstance(layer, nn.Parameter):
                self.known = False
            for leaf, tensor in getattr(layer, "_parameters", {}).items():
                if tensor is not None and not (inward and leaf == "bias"):
                    self._cut(f"{name}.{leaf}", self._axis(layer, leaf, inward), indices)

    def _axis(self, layer: nn.Module, leaf: str, inward: bool) -> int:
        if isinstance(layer, nn.LSTM | nn.GRU | nn.MultiheadAttention):
            self.known = False
        if leaf == "bias" or isinstance(layer, nn.modules.batchnorm._NormBase):
            return 0
        transposed = isinstance(layer, nn.modules.conv._ConvTransposeNd)
        depthwise = isinstance(layer, nn.modules.conv._ConvNd) and layer.groups == layer.in_channels
        if depthwise and layer.groups > 1:  # type: ignore[operator]
            return 0
        if isinstance(layer, nn.modules.conv._ConvNd) and layer.groups > 1:
            self.known = False
        return int(inward != transposed) if leaf == "weight" else 0

    def _cut(self, name: str, axis: int, indices: Any) -> None:
        if name not in self.sizes or axis >= len(self.sizes[name]):
            self.known = False
            return
        before = self.alive.get((name, axis), torch.arange(self.sizes[name][axis]))
        if max((int(i) for i in indices), default=0) >= len(before):
            self.known = False  # numbers of another axis than we took them for
            return
        stay = torch.ones(len(before), dtype=torch.bool)
        stay[torch.tensor([int(i) for i in indices])] = False
        self.alive[name, axis] = before[stay]

    def plan(self) -> dict[str, Any]:
        families = []
        for (name, axis), kept in self.alive.items():
            width = self.sizes[name][axis]
            member = {"tensor": name, "axis": axis, "positions": f"0:{width}"}
            families.append(
                {"width": {"before": width}, "kept": kept.tolist(), "members": [member]}
            )
        return {"families": families}
