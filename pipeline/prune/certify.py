"""The proof that a rewrite is exact: pruned output = output of the masked dense graph."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import Ports
from pipeline.prune.families import Family
from pipeline.prune.plan import ranges
from pipeline.prune.reference import to_reference
from pipeline.prune.resize import Resizer
from pipeline.prune.rewrite import removed_classes, shrunk
from pipeline.prune.rules import name_of
from pipeline.prune.trace import Trace

Samples: TypeAlias = Tensor | Batch
"""(n, *shape) of the one input, or of each."""

TOLERANCE = 1e-5
"""Largest relative error (of the largest output) that passes; an exact rewrite has ~1e-14."""


class CertificateError(RuntimeError):
    """The pruned graph is not the dense one without the removed channels: a bug of ours."""


def certify(
    graph_module: fx.GraphModule,
    trace: Trace,
    found: list[Family],
    plan: Mapping[str, Any],
    *,
    inputs: Samples | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare in float64 on random (and valid) and, if given, real `inputs`.

    Batch norm statistics are randomised and near-zero tensors (zero-initialised layers, layer
    scale) are scaled up first, or a wrong rewrite behind them could not show.

    `kind` is `mask-equivalence` (removed channels are zeroed, nothing else) or, where something
    normalises or reduces over channels that go, `masked-normalisation`: there the dense model
    computes over the kept channels only. `uncertified` names what changes the model in ways that
    neither can express; `ok` is false then. `reductions` says which calls, among those that have no
    weight that the plan could name, compute over which channels.

    Raises:
        CertificateError: the relative error exceeds `TOLERANCE`.
    """
    generator = torch.Generator().manual_seed(seed)
    dense = to_float64(graph_module)
    provoke(dense, generator)
    pruned, _ = shrunk(dense, trace, found, plan)
    gone = removed_classes(found, plan)
    coupled = to_reference(dense, trace, gone, plan)
    error = compare(dense, pruned, samples(graph_module, inputs, generator))
    uncertified = [describe(trace, node) for node in coupled if not trace.coupled[node].certified]
    return {
        "kind": "masked-normalisation" if coupled else "mask-equivalence",
        "ok": not uncertified,
        "max_relative_error": error,
        "uncertified": uncertified,
        "reductions": [
            row for node in coupled if (row := reduction(trace, node, gone)) is not None
        ],
    }


def describe(trace: Trace, name: str) -> str:
    """A node as an operator and, inside the graph, its name."""
    node = next(node for node in trace.graph_module.graph.nodes if node.name == name)
    return f"{name_of(node)} ({name})"


def reduction(trace: Trace, name: str, gone: Tensor) -> dict[str, Any] | None:
    """The `number`-th call of an operator on one sample's `shape`, and the places it sees."""
    coupled = trace.coupled[name]
    if len(coupled.inputs) > 1:
        return None
    nodes = [node for node in trace.graph_module.graph.nodes if node.op == "call_function"]
    node = next(node for node in nodes if node.name == name)
    ((place, axis),) = coupled.inputs.items()
    labels = trace.of(node.args[place])
    vector = trace.labels.vector(labels, axis)
    assert vector is not None
    same = [
        n.name for n in nodes if name_of(n) == name_of(node) and _reads(trace, n) == labels.shape
    ]
    kept = ranges(Resizer(trace, gone).keep(vector).nonzero().flatten())
    found = {"op": name_of(node), "shape": list(labels.shape[1:]), "number": same.index(name)}
    return {**found, "axis": axis, "kept": kept}


def _reads(trace: Trace, node: fx.Node) -> Any:
    first = node.args[0] if node.args else None
    return trace.shape(first) if isinstance(first, fx.Node) else None


def samples(
    graph_module: fx.GraphModule, inputs: Samples | None, random: torch.Generator
) -> list[Batch]:  # fmt: skip
    """A random batch and, if there are some, real inputs, in float64."""
    drawn = noise(graph_module, 4, random)
    return [drawn] if inputs is None else [drawn, Batch.of(inputs).double()]


def noise(graph_module: fx.GraphModule, count: int, random: torch.Generator) -> Batch:
    """Valid random samples of everything a graph takes, floats in float64."""

    def normal(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=random, dtype=torch.float64)

    ports: Ports = graph_module.meta["ports"]
    return ports.draw(count, normal, random.initial_seed()).tensors()


def compare(dense: fx.GraphModule, pruned: fx.GraphModule, on: Sequence[Samples]) -> float:
    """The relative error, as the power of ten it lies below.

    Rounding noise has no place in an artifact's digest.

    Raises:
        CertificateError: it exceeds `TOLERANCE`.
    """
    error = difference(dense, pruned, on)
    if not error <= TOLERANCE:
        raise CertificateError(f"relative error {error:.1e} exceeds {TOLERANCE:.0e}")
    return float(10.0 ** math.ceil(math.log10(max(error, 1e-12))))


def difference(
    first: torch.nn.Module, second: torch.nn.Module, samples: Sequence[Samples]
) -> float:  # fmt: skip
    """Largest difference over all outputs and samples, relative to the largest output.

    Models that draw random numbers in eval mode draw the same.
    """
    worst = 0.0
    for x in map(Batch.of, samples):
        with torch.no_grad(), _default(_float_dtype(x, second)):
            outputs = [_leaves(_seeded(model, x)) for model in (first, second)]
            pairs = zip(*outputs, strict=True)
            for a, b in pairs:
                if a.shape != b.shape or not bool(torch.isfinite(a).all()):
                    return math.inf
                scale = float(a.abs().max().clamp_min(1e-30))
                worst = max(worst, float((a - b).abs().max()) / scale)
    return worst


def _float_dtype(x: Batch, module: torch.nn.Module) -> torch.dtype:
    """What the samples are in; where they are integers, what the module computes in."""
    tensors = [*x.arrays, *module.parameters()]
    return next((t.dtype for t in tensors if t.is_floating_point()), torch.float64)


def _seeded(model: torch.nn.Module, x: Batch) -> Any:
    with torch.random.fork_rng(devices=[]), _SameDraws():  # type: ignore[no-untyped-call]
        torch.manual_seed(0)
        return model(*x.arrays)


class _SameDraws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Random numbers fill a tensor in the order of its memory: the same one for equal shapes."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            args = pytree.tree_map_only(Tensor, Tensor.contiguous, args)
        return func(*args, **(kwargs or {}))


@contextmanager
def _default(dtype: torch.dtype) -> Iterator[None]:
    """What `torch.zeros` and its like give where a model names no dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _leaves(output: Any) -> list[Tensor]:
    """Tensors of an output; booleans and integers as numbers that can be subtracted."""
    leaves = [t for t in pytree.tree_leaves(output) if isinstance(t, Tensor) and t.numel()]
    return [t if t.is_floating_point() else t.double() for t in leaves]


def to_float64(graph_module: fx.GraphModule) -> fx.GraphModule:
    """A copy in float64, operators that name a float32 result included."""
    wide = copy.deepcopy(graph_module).double()
    for node in wide.graph.nodes:
        node.args = pytree.tree_map(_widen, node.args)
        node.kwargs = pytree.tree_map(_widen, node.kwargs)
    wide.recompile()
    return wide


def _widen(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


def provoke(graph_module: fx.GraphModule, generator: torch.Generator) -> None:
    """Give a mistake something to show on: batch norm statistics, and no tensor near zero."""
    state = graph_module.state_dict()  # shares memory with the graph's tensors
    for name, tensor in graph_module.named_parameters():
        if tensor.numel() and float(tensor.detach().abs().max()) < 1e-2:
            state[name].copy_(torch.randn(tensor.shape, generator=generator) * 0.1)
    for node in graph_module.graph.nodes:
        if node.op == "call_function" and name_of(node) == "batch_norm" and node.args[3]:
            mean, variance = (state[arg.target] for arg in node.args[3:5])
            mean += 0.1 * variance.sqrt() * torch.randn(mean.shape, generator=generator)
            variance *= torch.rand(variance.shape, generator=generator) + 0.5
