"""A user's ONNX file: what it takes, and its own answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import DTYPES, Port, Ports

KINDS = {
    onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.INT64: "int64",
    onnx.TensorProto.INT32: "int32", onnx.TensorProto.BOOL: "bool",
}  # fmt: skip


def ports_of(path: Path, given: Ports | None) -> Ports:
    """Its inputs; `given` has the shapes that the file leaves open.

    Raises:
        UsageError: no valid model, an input of a dtype that has no place here, or an open shape.
    """
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:
        what = f"no valid ONNX model: {str(error).splitlines()[0]}"
        raise UsageError(what, where=path, fix="export it again") from error
    infos = _real_inputs(model)
    names = [info.name for info in infos]
    wanted = {port.name: port for port in (given or Ports()).known(names)}
    return Ports(_port(info, wanted.get(info.name), model, path) for info in infos)


def _port(
    info: onnx.ValueInfoProto, given: Port | None, model: onnx.ModelProto, path: Path
) -> Port:
    kind = KINDS.get(info.type.tensor_type.elem_type)
    if kind is None:
        what = f"input '{info.name}' is none of {', '.join(DTYPES)}"
        raise UsageError(what, where=path, fix="export it with such an input")
    sizes = [d.dim_value for d in info.type.tensor_type.shape.dim]
    if given is not None:
        _agrees(sizes, [1, *given.shape], path)
        sizes = [1, *given.shape]
    if not sizes or 0 in sizes[1:]:
        fix = f"give it as --input 1,3,224,224 ({info.name}=1,... of several)"
        raise UsageError(f"leaves the shape of its input open: {sizes}", where=path, fix=fix)
    return Port(info.name, tuple(sizes[1:]), kind, rows=_rows(model, info.name))


def _rows(model: onnx.ModelProto, name: str) -> int | None:
    """Rows of the table that an integer input looks up as it is."""
    tables = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    found = [
        tables[node.input[0]][_axis(node)]
        for node in model.graph.node
        if node.op_type == "Gather" and node.input[1] == name and node.input[0] in tables
    ]
    return min(found, default=None)


def _axis(node: onnx.NodeProto) -> int:
    return next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)


def _agrees(sizes: list[int], given: list[int], path: Path) -> None:
    fits = len(sizes) == len(given) and all(
        n in (0, m) for n, m in zip(sizes[1:], given[1:], strict=True)
    )
    if sizes and not fits:
        raise UsageError(f"takes {sizes}, --input says {given}", where=path, fix="leave it out")


def fixed(path: Path, ports: Ports) -> bytes:
    """The model with its inputs' shapes written down (batch one in front)."""
    model = onnx.load(path)
    for info, port in zip(_real_inputs(model), ports, strict=True):
        dims = info.type.tensor_type.shape
        del dims.dim[:]
        for size in (1, *port.shape):
            dims.dim.add().dim_value = size
    return bytes(model.SerializeToString(deterministic=True))


def run(path: Path, ports: Ports, samples: Batch) -> list[list[NDArray[Any]]]:
    """What it answers to each sample, in onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(fixed(path, ports), options)
    names = [port.name for port in session.get_inputs()]
    return [session.run(None, dict(zip(names, ports.typed(s), strict=True))) for s in samples]


def _real_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    weights = {tensor.name for tensor in model.graph.initializer}
    return [info for info in model.graph.input if info.name not in weights]
