"""The user's own module as a plan means it, without the tracer: the independent reference.

What goes in and out of a convolution or linear layer is zeroed by hooks where the plan removes;
every other tensor that the plan names is zeroed itself. A normalisation over channels whose weight
it names computes over the channels that stay, and so do the reductions that the certificate lists.
Of a weight that is computed from a parameter (`folded` in the plan) only outputs are zeroed: its
inputs are zero already, and zeros in the parameter would change all of it.
Nothing here knows labels or graphs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from pipeline.models.graph import copied, named_tensors
from pipeline.prune.plan import numbers, removed


class Masked(nn.Module):
    """A copy of a module, masked by a plan, in float64."""

    def __init__(
        self, module: nn.Module, plan: Any, reductions: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__()
        self.module = copied(module).double()
        self.plan, self.reductions = plan, reductions
        self.ready = False
        self.kept: dict[int, Tensor] = {}

    def forward(self, *x: Tensor) -> Any:
        if not self.ready:
            with torch.random.fork_rng(devices=[]):
                self._prepare(x)
        with _MaskedNorms(self.kept, self.reductions), _float64():
            return self.module(*x)

    def _prepare(self, x: Sequence[Tensor]) -> None:
        """Layers that are called get hooks on what goes in and out; all else is zeroed."""
        called = _called(self.module, x)
        cuts = [cut for cut in all_of(self.plan) if not _hook(called, *cut)]
        tensors = named_tensors(self.module)
        folded = self.plan.get("folded", {})
        with torch.no_grad():
            for name, axis, places in cuts:
                if folded.get(name):
                    _part(tensors, folded[name]).index_fill_(axis, places, 0)
                elif name in tensors and not (name in folded and axis):
                    tensors[name].index_fill_(axis, places, 0)
        for name, axis, places in cuts:
            if name in tensors:
                self.kept[id(tensors[name])] = _kept(tensors[name], axis, places)
        self.ready = True


def _part(tensors: Mapping[str, Tensor], origin: Mapping[str, Any]) -> Tensor:
    """A view of the rows that a computed weight is."""
    length = origin["stop"] - origin["start"]
    return tensors[origin["tensor"]].narrow(origin["axis"], origin["start"], length)


def _called(module: nn.Module, x: Sequence[Tensor]) -> dict[str, nn.Module]:
    """The convolutions and linear layers whose own call a run makes, by the name of the tensor.

    A parametrised weight is known by the name of the tensor that has its shape.
    """
    seen: list[nn.Module] = []
    layers = [(n, m) for n, m in module.named_modules() if isinstance(m, HOOKED)]
    hooks = [m.register_forward_hook(lambda m, *_: seen.append(m)) for _, m in layers]
    with _MaskedNorms({}, ()), _float64(), torch.no_grad():
        module(*x)
    for handle in hooks:
        handle.remove()
    ends = (
        "weight",
        "weight_v",
        "weight_orig",
        "parametrizations.weight.original",
        "parametrizations.weight.original1",
    )
    called = {f"{n}.{end}".lstrip("."): m for n, m in layers if m in seen for end in ends}
    shared = [n for n, p in named_tensors(module).items() if n in called and _owners(module, p) > 1]
    return {name: layer for name, layer in called.items() if name not in shared}


def _owners(module: nn.Module, tensor: Tensor) -> int:
    return sum(other is tensor for other in named_tensors(module).values())


HOOKED = (nn.modules.conv._ConvNd, nn.Linear)


def _hook(called: Mapping[str, nn.Module], name: str, axis: int, places: Tensor) -> bool:
    layer = called.get(name)
    if layer is None:
        return False
    transposed = isinstance(layer, nn.modules.conv._ConvTransposeNd)
    channel = 1 if isinstance(layer, nn.modules.conv._ConvNd) else -1
    weight: Any = layer.weight
    if axis == 1 and channel == 1 and layer.groups != 1:  # type: ignore[operator]
        per_group = weight.shape[1]
        places = torch.cat([places + group * per_group for group in range(layer.groups)])  # type: ignore[arg-type]
    if axis == (0 if transposed else 1):
        layer.register_forward_pre_hook(lambda _, x: (_zero(channel, places)(x[0]), *x[1:]))
    else:
        layer.register_forward_hook(lambda _, __, y: _zero(channel, places)(y))
    return True


def _zero(axis: int, places: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: x.index_fill(axis, places, 0)


def all_of(plan: Any) -> list[tuple[str, int, Tensor]]:
    """(tensor, axis, every place that goes), the families of one tensor together."""
    found: dict[tuple[str, int], list[Tensor]] = {}
    for name, axis, places in removed(plan):
        found.setdefault((name, axis), []).append(places)
    return [(name, axis, torch.cat(places)) for (name, axis), places in found.items()]


def _kept(tensor: Tensor, axis: int, gone: Tensor) -> Tensor:
    stay = torch.ones(tensor.shape[axis], dtype=torch.bool)
    stay[gone] = False
    return stay


@contextmanager
def _float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class _MaskedNorms(TorchFunctionMode):
    def __init__(self, kept: dict[int, Tensor], reductions: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self.kept, self.calls = kept, Counter[tuple[str, tuple[int, ...]]]()
        self.reductions = {(r["op"], tuple(r["shape"]), r["number"]): r for r in reductions}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        func = Tensor.double if func is Tensor.float else func
        args, kwargs = pytree.tree_map(_widened, (args, kwargs))
        given = dict(zip(_NAMES.get(func, ()), args, strict=False)) | (kwargs or {})
        stay = self.kept.get(id(given.get("weight"))) if func in _NAMES else None
        if stay is None and self.reductions and args and isinstance(args[0], Tensor):
            key = (_ALIASES.get(func.__name__, func.__name__), tuple(args[0].shape[1:]))
            number, self.calls[key] = self.calls[key], self.calls[key] + 1
            if (row := self.reductions.get((*key, number))) is not None:
                return _reduced(func, row, args, kwargs or {})
        if stay is None:
            return func(*args, **(kwargs or {}))
        return _NORMS[func](stay, **given)


def _widened(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


_ALIASES = {"vector_norm": "linalg_vector_norm", "norm": "linalg_vector_norm"}


def _reduced(func: Callable[..., Any], row: Mapping[str, Any], args: Any, kwargs: Any) -> Any:
    index = numbers(row["kept"])
    if func is functional.layer_norm:  # without weights; (normalized_shape,) of one axis
        args, kwargs = (args[0], (len(index),)), {"eps": {**kwargs}.get("eps", 1e-5)}
    y = func(args[0].index_select(row["axis"], index), *args[1:], **kwargs)
    if isinstance(y, Tensor) and y.dim() == args[0].dim() and y.shape[row["axis"]] == len(index):
        return torch.zeros_like(args[0]).index_copy(row["axis"], index, y)
    return y


def _layer_norm(stay: Tensor, **given: Any) -> Tensor:
    x, shape, weight = given["input"], given["normalized_shape"], given["weight"]
    assert len(shape) == 1
    index = stay.nonzero().flatten()
    part = x.index_select(-1, index)
    centre = part.mean(-1, keepdim=True)
    scale = (part.var(-1, unbiased=False, keepdim=True) + given.get("eps", 1e-5)).rsqrt()
    y = (part - centre) * scale * weight[index]
    bias = given.get("bias")
    return torch.zeros_like(x).index_copy(-1, index, y if bias is None else y + bias[index])


def _rms_norm(stay: Tensor, **given: Any) -> Tensor:
    x, weight, eps = given["input"], given["weight"], given.get("eps")
    index = stay.nonzero().flatten()
    part = x.index_select(-1, index)
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    y = part * (part.square().mean(-1, keepdim=True) + eps).rsqrt() * weight[index]
    return torch.zeros_like(x).index_copy(-1, index, y)


def _group_norm(stay: Tensor, **given: Any) -> Tensor:
    x, groups, weight = given["input"], given["num_groups"], given["weight"]
    index = stay.nonzero().flatten()
    part = x.index_select(1, index).reshape(
        len(x), groups if groups < len(stay) else len(index), -1
    )
    centre = part.mean(-1, keepdim=True)
    scale = (part.var(-1, unbiased=False, keepdim=True) + given.get("eps", 1e-5)).rsqrt()
    y = ((part - centre) * scale).reshape(len(x), len(index), *x.shape[2:])
    shape = (1, -1, *[1] * (x.dim() - 2))
    y = y * weight[index].view(shape)
    if (bias := given.get("bias")) is not None:
        y = y + bias[index].view(shape)
    return torch.zeros_like(x).index_copy(1, index, y)


_NORMS: dict[Any, Callable[..., Tensor]] = {
    functional.layer_norm: _layer_norm,
    functional.rms_norm: _rms_norm,
    functional.group_norm: _group_norm,
}
_NAMES: dict[Any, tuple[str, ...]] = {
    functional.layer_norm: ("input", "normalized_shape", "weight", "bias", "eps"),
    functional.rms_norm: ("input", "normalized_shape", "weight", "eps"),
    functional.group_norm: ("input", "num_groups", "weight", "bias", "eps"),
}
