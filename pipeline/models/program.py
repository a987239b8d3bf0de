"""`.pt2` files: models as `torch.export` saves them, in and out."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import fx

from pipeline.errors import UsageError
from pipeline.inputs.ports import DTYPES, Port, Ports
from pipeline.models.exported import plain
from pipeline.models.graph import zeros
from pipeline.models.modes import set_training
from pipeline.models.signature import any_batch
from pipeline.models.torch_errors import quiet, reason

FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
_CODE = ("custom_obj", "opaque_obj", "data/aotinductor")
_NOT_OURS = ("stack_trace", "nn_module_stack", "source_fn_stack", "from_node", "torch_fn")


def load(path: Path) -> tuple[fx.GraphModule, Ports]:
    """The graph of a `.pt2` file in eval mode, and what it takes.

    Tensors are read as tensors only: where torch would fall back to unpickling objects, this
    refuses. (Shape expressions are still parsed by sympy: take files from those you trust.)

    Raises:
        UsageError: not a `.pt2` file, one that holds objects or compiled code, or one whose model
            takes something else than tensors with a batch in front.
    """
    _check_archive(path)
    try:
        with quiet(), _tensors_only():
            program = torch.export.load(path)
    except Exception as error:
        what = f"torch.export cannot load it: {reason(error)}"
        fix = "save it again with torch.export.save(program, path), of this torch version"
        raise UsageError(what, where=path, fix=fix) from error
    names = program.graph_signature.user_inputs
    inputs = {node.name: node for node in program.graph.nodes if node.name in names}
    ports = Ports(_port(inputs[str(name)], path) for name in names if str(name) in inputs)
    if len(ports) < max(len(names), 1):
        what = f"the model takes {len(names)} inputs, and some are no tensors"
        raise UsageError(what, where=path, fix="export it with tensors as its only inputs")
    graph = plain(program.module(check_guards=False))
    for node in graph.graph.nodes:
        node.meta.pop("always_on", None)
    set_training(graph, False)
    return graph, ports


def _port(node: fx.Node, path: Path) -> Port:
    value = node.meta.get("val")
    shape, dtype = getattr(value, "shape", ()), str(getattr(value, "dtype", "")).split(".")[-1]
    if len(shape) < 2 or dtype not in DTYPES:
        what = f"input '{node.name}' is {list(shape)} {dtype}: a tensor (batch, ...) is needed"
        raise UsageError(what, where=path, fix=f"export it with one of {', '.join(DTYPES)}")
    return Port(node.name, tuple(int(size) for size in shape[1:]), dtype)


def save(graph_module: fx.GraphModule) -> bytes:
    """The graph as a `.pt2` file with a dynamic batch; equal graphs give equal bytes.

    So it holds no stack traces: they name paths of this machine.
    """
    example = zeros(graph_module.meta["ports"], 2)
    dynamic = any_batch(example, {})
    with quiet():
        program = torch.export.export(
            graph_module, example.arrays, dynamic_shapes=dynamic, strict=False
        )
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, fx.GraphModule) else ():
            node.meta = {k: v for k, v in node.meta.items() if k not in _NOT_OURS}
    buffer = io.BytesIO()
    with quiet():
        torch.export.save(program, buffer)
    return buffer.getvalue()


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        fix = "give a file that torch.export.save wrote"
        raise UsageError("is no .pt2 file", where=path, fix=fix) from error
    if any(word in name for name in names for word in _CODE):
        fix = "export the model without custom objects or compiled code"
        raise UsageError("holds more than a graph and tensors", where=path, fix=fix)


@contextmanager
def _tensors_only() -> Iterator[None]:
    before = os.environ.get(FORCE)
    os.environ[FORCE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[FORCE]
        else:
            os.environ[FORCE] = before
