"""Models that are not torch's: a user's ONNX file, or an existing float .tflite."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from pipeline.artifacts import Foreign, Workdir, file_digest
from pipeline.convert.audit import audit, signed
from pipeline.convert.flatbuffer import TYPES, items, operator_name, reading
from pipeline.convert.layout import noted, samples_first
from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import DTYPES, Port, Ports

SUFFIXES = (".onnx", ".tflite")
KINDS = {
    onnx.TensorProto.FLOAT: "float32", onnx.TensorProto.INT64: "int64",
    onnx.TensorProto.INT32: "int32", onnx.TensorProto.BOOL: "bool",
}  # fmt: skip


def adopt(path: Path, given: Ports | None, work: Workdir) -> Foreign:
    """Take a file as a model; `given` is for an ONNX file that leaves a shape open.

    Raises:
        UsageError: unreadable, an input of a dtype that has no place here, an open shape, or
            already quantized.
    """
    kind = path.suffix[1:]
    found = _onnx_ports(path, given) if kind == "onnx" else _tflite_ports(path)
    work.out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, work.out / f"source.{kind}")
    return work.seal(Foreign, {
        "source": {"file": file_digest(path), "format": kind},
        "input": found.to_json(),
        "classes": None,
        "plans": [],
    })  # fmt: skip


def file_of(model: Foreign) -> Path:
    """The file itself."""
    return model.file(f"source.{model.meta['source']['format']}")


def outputs(model: Foreign, inputs: NDArray[np.float32] | Batch) -> list[NDArray[Any]]:
    """Its own answers, each (n, ...), sample by sample."""
    ports, samples = Ports.of(model.meta["input"]), Batch.of(inputs)
    run = _onnx_run if model.meta["source"]["format"] == "onnx" else _tflite_run
    answers = run(file_of(model), ports, samples)
    return [samples_first(parts) for parts in zip(*answers, strict=True)]


def fixed_onnx(path: Path, ports: Ports) -> bytes:
    """An ONNX model with its inputs' shapes written down (batch one in front)."""
    model = onnx.load(path)
    for info, port in zip(_real_inputs(model), ports, strict=True):
        dims = info.type.tensor_type.shape
        del dims.dim[:]
        for size in (1, *port.shape):
            dims.dim.add().dim_value = size
    return bytes(model.SerializeToString(deterministic=True))


def tflite_layout(path: Path) -> dict[str, Any]:
    """A .tflite file's own layout: axes stay, inputs and outputs go by the agent's names."""
    with reading(path) as model:
        given, made = (
            [
                (name, list(range(len(items(tensor.shape)))))
                for name, tensor in _tensors(model, side)
            ]
            for side in ("inputs", "outputs")
        )
    outputs = [{"name": name, "to_torch": axes} for name, axes in made]
    return {"input": noted(given), "outputs": outputs}


def inputs_of(path: Path) -> dict[str, list[int]]:
    """{name: shape} of a .tflite file's inputs, by the agent's names."""
    with reading(path) as model:
        found = _tensors(model, "inputs")
        return {name: [int(size) for size in items(tensor.shape)] for name, tensor in found}


def _tensors(model: Any, side: str) -> list[tuple[str, Any]]:
    """(name, tensor) in the file's order; without a signature the agent's `input_0`, `output_0`."""
    graph, kind = model.subgraphs[0], side.removesuffix("s")
    names = {index: name for name, index in signed(model, side)}
    order = [int(index) for index in items(getattr(graph, side))]
    return [
        (names.get(index, f"{kind}_{number}"), graph.tensors[index])
        for number, index in enumerate(order)
    ]


def _real_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    weights = {tensor.name for tensor in model.graph.initializer}
    return [info for info in model.graph.input if info.name not in weights]


def _onnx_ports(path: Path, given: Ports | None) -> Ports:
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:
        what = f"no valid ONNX model: {str(error).splitlines()[0]}"
        raise UsageError(what, where=path, fix="export it again") from error
    infos = _real_inputs(model)
    names = [info.name for info in infos]
    wanted = {port.name: port for port in (given or Ports()).known(names)}
    return Ports(_onnx_port(info, wanted.get(info.name), model, path) for info in infos)


def _onnx_port(
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


def _tflite_ports(path: Path) -> Ports:
    found = audit(path)
    if any(port.scale is not None for port in found.inputs) or not found.float_operators:
        fix = "give the float file it was made from"
        raise UsageError("is quantized already", where=path, fix=fix)
    with reading(path) as model:
        tables, tensors = _tables(model), _tensors(model, "inputs")
        return Ports(
            Port(name, *_kind(name, tensor, path), rows=tables.get(number))
            for number, (name, tensor) in enumerate(tensors)
        )


def _kind(name: str, tensor: Any, path: Path) -> tuple[tuple[int, ...], str]:
    shape, dtype = tuple(int(n) for n in items(tensor.shape)), TYPES[tensor.type].lower()
    if dtype not in DTYPES or shape[:1] != (1,):
        what = f"input '{name}' is {list(shape)} {dtype}: one with a batch of 1 is needed"
        raise UsageError(what, where=path, fix=f"give one of {', '.join(DTYPES)}")
    return shape[1:], dtype


def _tables(model: Any) -> dict[int, int]:
    """{number of an input: rows of the smallest table that it looks up as it is}."""
    found: dict[int, int] = {}
    graph = model.subgraphs[0]
    given = [int(index) for index in items(graph.inputs)]
    for operator in graph.operators:
        name, inputs = operator_name(model, operator), [int(i) for i in items(operator.inputs)]
        if name not in ("GATHER", "EMBEDDING_LOOKUP"):
            continue
        table, index = inputs if name == "GATHER" else inputs[::-1]
        axis = operator.builtinOptions.axis if name == "GATHER" else 0
        if index in given:
            rows, place = int(graph.tensors[table].shape[axis]), given.index(index)
            found[place] = min(rows, found.get(place, rows))
    return found


def _onnx_run(path: Path, ports: Ports, samples: Batch) -> list[list[NDArray[Any]]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(fixed_onnx(path, ports), options)
    names = [port.name for port in session.get_inputs()]
    return [session.run(None, dict(zip(names, _typed(s, ports), strict=True))) for s in samples]


def _tflite_run(path: Path, ports: Ports, samples: Batch) -> list[list[NDArray[Any]]]:
    from ai_edge_litert.interpreter import Interpreter

    names = [port.name for port in audit(path).outputs]
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    if interpreter.get_signature_list():
        run = interpreter.get_signature_runner()
        with reading(path) as model:
            keys = [name for name, _ in _tensors(model, "inputs")]
        rows = [run(**dict(zip(keys, _typed(s, ports), strict=True))) for s in samples]
        return [[row[name].copy() for name in names] for row in rows]
    given = [detail["index"] for detail in interpreter.get_input_details()]
    wanted = [detail["index"] for detail in interpreter.get_output_details()]
    answers = []
    for sample in samples:
        for index, array in zip(given, _typed(sample, ports), strict=True):
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        answers.append([interpreter.get_tensor(output) for output in wanted])
    return answers


def _typed(sample: Batch, ports: Ports) -> list[NDArray[Any]]:
    return [a.astype(port.dtype) for a, port in zip(sample.arrays, ports, strict=True)]
