"""Models that are not torch's: a user's ONNX file, or an existing float .tflite."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from pipeline.artifacts import Foreign, Workdir, file_digest
from pipeline.convert.audit import Audit, audit
from pipeline.convert.layout import samples_first
from pipeline.errors import UsageError

SUFFIXES = (".onnx", ".tflite")


def adopt(path: Path, shape: Sequence[int] | None, work: Workdir) -> Foreign:
    """Take a file as a model; `shape` (batch in front) is for an ONNX file that leaves it open.

    Raises:
        UsageError: unreadable, not one float input, an open shape, or already quantized.
    """
    kind = path.suffix[1:]
    found = _onnx_shape(path, shape) if kind == "onnx" else _tflite_shape(path)
    work.out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, work.out / f"source.{kind}")
    return work.seal(Foreign, {
        "source": {"file": file_digest(path), "format": kind},
        "input": found[1:],
        "classes": None,
        "plans": [],
    })  # fmt: skip


def file_of(model: Foreign) -> Path:
    """The file itself."""
    return model.file(f"source.{model.meta['source']['format']}")


def outputs(model: Foreign, inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
    """Its own answers, each (n, ...), sample by sample."""
    run = _onnx_run if model.meta["source"]["format"] == "onnx" else _tflite_run
    answers = run(file_of(model), inputs)
    return [samples_first(parts) for parts in zip(*answers, strict=True)]


def fixed_onnx(path: Path, shape: Sequence[int]) -> bytes:
    """An ONNX model with the input's shape written down (batch one in front)."""
    model = onnx.load(path)
    (info,) = _real_inputs(model)
    dims = info.type.tensor_type.shape
    del dims.dim[:]
    for size in shape:
        dims.dim.add().dim_value = size
    return bytes(model.SerializeToString(deterministic=True))


def tflite_layout(path: Path) -> dict[str, Any]:
    """A .tflite file's own layout: axes stay, outputs go by their names."""
    found = audit(path)
    return {
        "input": list(range(len(found.inputs[0].shape))),
        "outputs": [
            {"name": port.name, "to_torch": list(range(len(port.shape)))} for port in found.outputs
        ],
    }


def _real_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    weights = {tensor.name for tensor in model.graph.initializer}
    return [info for info in model.graph.input if info.name not in weights]


def _onnx_shape(path: Path, given: Sequence[int] | None) -> list[int]:
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:
        what = f"no valid ONNX model: {str(error).splitlines()[0]}"
        raise UsageError(what, where=path, fix="export it again") from error
    inputs = _real_inputs(model)
    if len(inputs) != 1 or inputs[0].type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
        raise UsageError(f"takes {len(inputs)} inputs; one of float32 is needed", where=path)
    sizes = [d.dim_value for d in inputs[0].type.tensor_type.shape.dim]
    if given is not None:
        _agrees(sizes, list(given), path)
        return [1, *list(given)[1:]]
    if not sizes or 0 in sizes[1:]:
        fix = "give it as --input 1,3,224,224"
        raise UsageError(f"leaves the shape of its input open: {sizes}", where=path, fix=fix)
    return [1, *sizes[1:]]


def _agrees(sizes: list[int], given: list[int], path: Path) -> None:
    fits = len(sizes) == len(given) and all(
        n in (0, m) for n, m in zip(sizes[1:], given[1:], strict=True)
    )
    if sizes and not fits:
        raise UsageError(f"takes {sizes}, --input says {given}", where=path, fix="leave it out")


def _tflite_shape(path: Path) -> list[int]:
    found: Audit = audit(path)
    if any(port.scale is not None for port in found.inputs) or not found.float_operators:
        fix = "give the float file it was made from"
        raise UsageError("is quantized already", where=path, fix=fix)
    if len(found.inputs) != 1 or found.inputs[0].dtype != "float32":
        raise UsageError(f"takes {len(found.inputs)} inputs; one of float32 is needed", where=path)
    return found.inputs[0].shape


def _onnx_run(path: Path, inputs: NDArray[np.float32]) -> list[list[NDArray[Any]]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    data = fixed_onnx(path, [1, *inputs.shape[1:]])
    session = onnxruntime.InferenceSession(data, options)
    (name,) = (port.name for port in session.get_inputs())
    return [session.run(None, {name: inputs[i : i + 1]}) for i in range(len(inputs))]


def _tflite_run(path: Path, inputs: NDArray[np.float32]) -> list[list[NDArray[Any]]]:
    from ai_edge_litert.interpreter import Interpreter

    names = [port.name for port in audit(path).outputs]
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    if interpreter.get_signature_list():
        run = interpreter.get_signature_runner()
        (key,) = run.get_input_details()
        rows = [run(**{key: inputs[i : i + 1]}) for i in range(len(inputs))]
        return [[row[name].copy() for name in names] for row in rows]
    (given,) = interpreter.get_input_details()
    wanted = [detail["index"] for detail in interpreter.get_output_details()]
    answers = []
    for index in range(len(inputs)):
        interpreter.set_tensor(given["index"], inputs[index : index + 1])
        interpreter.invoke()
        answers.append([interpreter.get_tensor(output) for output in wanted])
    return answers
