"""The working form of a model: its `torch.export` graph with a dynamic batch."""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree

from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import EXAMPLE, Ports
from pipeline.models import batch, modes, signature, valid
from pipeline.models.exported import export, plain
from pipeline.models.torch_errors import reason

BATCH_FIRST = "the batch is the first axis of every input, also of a state: h.transpose(0, 1)"


def capture(module: torch.nn.Module, inputs: Ports | Sequence[Any]) -> fx.GraphModule:
    """Export a model in eval mode and float32 as a plain, copyable graph; the module stays as is.

    `inputs` are those of one sample, without the batch; a plain shape is one float input. The graph
    takes a tensor (n, *shape) for each, for any n, and its `meta["ports"]` says which.
    The graph owns every tensor it reads (parameters, buffers, constants), so its `state_dict` is
    complete. What a model does only while training (stochastic depth) is not in an eval graph;
    batch norm and dropout are, and `modes.set_training` switches them.

    Raises:
        UsageError: the model takes other inputs, rejects a shape, fixes its batch, or cannot be
            exported.
    """
    module = copied(module).eval().float()
    _check_batch_norms(module)
    ports = signature.known(module, Ports.of(inputs))
    _try_once(module, ports)
    graph_module = _dynamic(module, ports)
    graph_module.meta["ports"] = valid.bounded(graph_module, ports)
    modes.note_always_on(graph_module)
    return graph_module


def copied(module: torch.nn.Module) -> torch.nn.Module:
    """A deep copy, also of modules that hold tensors they computed (`torch.nn.utils.weight_norm`).

    Autograd's history of such a tensor stays behind.
    """
    held = [t for child in module.modules() for t in vars(child).values()]
    computed = [t for t in held if isinstance(t, torch.Tensor) and not t.is_leaf]
    memo = {id(t): t.detach().clone() for t in computed}
    twin: torch.nn.Module = copy.deepcopy(module, memo)
    return twin


def named_tensors(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter and buffer (not copies) by name; tied ones under each of their names."""
    parameters = module.named_parameters(remove_duplicate=False)
    return {**dict(parameters), **dict(module.named_buffers(remove_duplicate=False))}


def _check_batch_norms(module: torch.nn.Module) -> None:
    for name, child in module.named_modules():
        norm = isinstance(child, torch.nn.modules.batchnorm._BatchNorm)
        if norm and child.momentum is None and child.track_running_stats:
            what = "batch norm with momentum=None (a cumulative average) cannot be exported"
            raise UsageError(what, where=name, fix="give it a momentum, for example 0.1")


def _try_once(module: torch.nn.Module, ports: Ports) -> None:
    args, kwargs = signature.call(module, zeros(ports, 2))
    try:
        with torch.no_grad(), redirect_stdout(sys.stderr):  # a model that prints
            module(*args, **kwargs)
    except Exception as error:
        shapes = ", ".join(",".join(map(str, port.shape)) for port in ports)
        alone = len(ports) == 1 and ports[0].is_float
        given = f"an input of shape {shapes}" if alone else str(ports)
        what = f"the model rejects {given}: {reason(error)}"
        integers = any(word in str(error) for word in ("IntTensor", "Long", "Int;", "integer"))
        fix = "give the shape that the model takes"
        if integers:
            fix = f"say what is an integer: --input {EXAMPLE}"
        elif not alone:
            fix = f"{fix}; {BATCH_FIRST}"
        raise UsageError(what, fix=fix) from error


def zeros(ports: Ports, samples: int) -> Batch:
    """An example to trace with."""
    kinds = {port.name: getattr(torch, port.dtype) for port in ports}
    return Batch({p.name: torch.zeros(samples, *p.shape, dtype=kinds[p.name]) for p in ports})


def _dynamic(module: torch.nn.Module, ports: Ports) -> fx.GraphModule:
    program = export(module, zeros(ports, 2), dynamic=True)
    inputs = [n for n in program.graph.nodes if n.name in program.graph_signature.user_inputs]
    if not any(str(node.meta["val"].shape[0]).isdigit() for node in inputs):
        return plain(program.module(check_guards=False))
    fixed = [export(module, zeros(ports, n)) for n in batch.SIZES]
    graphs = [plain(program.module(check_guards=False)) for program in fixed]
    graph_module = batch.generalise(*graphs)
    if graph_module is None or not _same(module, graph_module, _third(ports)):
        fix = "use x.shape[0] or -1 where forward() names the batch size"
        if len(ports) > 1:
            fix += f"; {BATCH_FIRST}"
        raise UsageError("the model works for one batch size only", fix=fix)
    return graph_module


def _third(ports: Ports) -> Batch:
    """A batch that is none of those that were exported."""
    generator = torch.Generator().manual_seed(0)
    return ports.draw(5, lambda shape: torch.randn(shape, generator=generator)).tensors()


def _same(module: torch.nn.Module, graph_module: fx.GraphModule, x: Batch) -> bool:
    """Whether both give the same for a batch, and something that is as long as it."""
    args, kwargs = signature.call(module, x)
    try:
        with torch.no_grad(), redirect_stdout(sys.stderr):
            given = pytree.tree_leaves(graph_module(*x.arrays))
            expected = pytree.tree_leaves(module(*args, **kwargs))
        torch.testing.assert_close(given, expected, rtol=1e-3, atol=1e-4)
    except (AssertionError, RuntimeError):
        return False
    return any(isinstance(y, torch.Tensor) and y.shape[:1] == (len(x),) for y in given)
