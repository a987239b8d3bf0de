"""First and second derivatives of a loss, for criteria that ask what a channel does to it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch
from pipeline.models.torch_errors import quiet

Part = tuple[Batch | Tensor, Tensor]
"""Inputs and targets of a few samples."""
Loss = Callable[[Tensor, Tensor], Tensor]
Named = dict[str, Tensor]


def gradients(graph_module: fx.GraphModule, batches: Iterable[Part], loss: Loss) -> Named:
    """{parameter name: gradient of the summed loss}, in eval mode; the graph is left as it is.

    Raises:
        UsageError: a gradient is not finite.
    """
    work = _fresh(graph_module)
    for inputs, targets in batches:
        loss(work(*Batch.of(inputs).arrays), targets).backward()  # type: ignore[no-untyped-call]
    named = work.named_parameters(remove_duplicate=False)
    return _finite({n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in named})


def squared_gradients(graph_module: fx.GraphModule, batches: Iterable[Part], loss: Loss) -> Named:
    """{parameter name: mean square of the gradients of single samples}: Fisher's diagonal.

    The empirical Fisher information (Theis et al., 2018, arXiv:1801.05787), sample by sample.

    Raises:
        UsageError: a gradient is not finite.
    """
    work, count = _fresh(graph_module), 0
    named = dict(work.named_parameters(remove_duplicate=False))
    total = {name: torch.zeros_like(p) for name, p in named.items()}
    for inputs, targets in batches:
        for x, y in zip(Batch.of(inputs), targets.unsqueeze(1), strict=True):
            work.zero_grad()
            loss(work(*x.arrays), y).backward()  # type: ignore[no-untyped-call]
            count += 1
            for name, parameter in named.items():
                if parameter.grad is not None:
                    total[name] += parameter.grad.square()
    return _finite({name: value.detach() / max(count, 1) for name, value in total.items()})


def curvature(
    graph_module: fx.GraphModule, batches: Iterable[Part], loss: Loss, seed: int = 0
) -> Named:
    """{parameter name: diagonal of the Hessian of the summed loss}, estimated.

    Hutchinson's estimator (Bekas et al., 2007; as in AdaHessian, arXiv:2006.00719): the mean of
    z * (H z) over random signs z, one draw a batch; exact where the Hessian is diagonal.

    Raises:
        UsageError: a value is not finite.
    """
    work = _fresh(graph_module)
    named = dict(work.named_parameters(remove_duplicate=True))
    generator = torch.Generator().manual_seed(seed)
    total = {name: torch.zeros_like(p) for name, p in named.items()}
    for inputs, targets in batches:
        signs = [_signs(p, generator) for p in named.values()]
        # Fused attention and recurrent kernels have no second derivative.
        with sdpa_kernel(SDPBackend.MATH), quiet(), torch.backends.mkldnn.flags(enabled=False):
            products = _hessian_times(
                loss(work(*Batch.of(inputs).arrays), targets), list(named.values()), signs
            )
        for name, sign, product in zip(named, signs, products, strict=True):
            total[name] += sign * product
    by_id = {id(named[name]): value.detach() for name, value in total.items()}
    everything = work.named_parameters(remove_duplicate=False)
    return _finite({name: by_id[id(parameter)] for name, parameter in everything})


def _hessian_times(value: Tensor, at: list[Tensor], signs: list[Tensor]) -> list[Tensor]:
    first = torch.autograd.grad(value, at, create_graph=True, materialize_grads=True)
    along = torch.stack([(g * z).sum() for g, z in zip(first, signs, strict=True)]).sum()
    if not along.requires_grad:  # a loss that is linear in the weights
        return [torch.zeros_like(p) for p in at]
    return list(torch.autograd.grad(along, at, materialize_grads=True))


def _signs(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, like.shape, generator=generator).to(like.dtype) * 2 - 1


def _fresh(graph_module: fx.GraphModule) -> fx.GraphModule:
    work = copy.deepcopy(graph_module)
    work.zero_grad()
    return work


def _finite(found: Named) -> Named:
    for name, value in found.items():
        if not bool(torch.isfinite(value).all()):
            raise UsageError(f"the gradient of '{name}' is not finite", fix="check loss and data")
    return found
