"""ONNX to a float TFLite file; runs in a child process (`worker.call`)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.inliner
import tensorflow as tf

from pipeline.convert.layout import arranged, noted, samples_first, samples_order
from pipeline.convert.translate.fold import fold
from pipeline.convert.translate.graph import Output, build, given_input, inputs_of
from pipeline.convert.translate.value import channels_last_order
from pipeline.inputs import batch
from pipeline.inputs.batch import Batch


@dataclass(frozen=True)
class Given:
    """An input of the file: `shape` in the model's own layout, with a batch of one."""

    name: str
    shape: Sequence[int]
    dtype: str


def main(spec: dict[str, Any]) -> dict[str, Any]:
    """Convert `spec["onnx"]`; float.tflite and its answer to a probe go to `out`.

    inputs: name in the file, shape with a batch of one, and dtype of each; probe: samples in the
    model's own layout; sources: {ONNX node: the user's line it comes from}. The answer is
    probe.npz, as stored in the file. Returns the layout of inputs and outputs, and what was folded.
    """
    model = onnx.inliner.inline_local_functions(onnx.load(spec["onnx"]))
    folded = fold(model)
    given = [Given(**entry) for entry in spec["inputs"]]
    orders, function, outputs = _best(model, given, spec["sources"])
    out = Path(spec["out"])
    path = out / "float.tflite"
    path.write_bytes(_lowered(function))
    named = [(entry.name, order) for entry, order in zip(given, orders, strict=True)]
    layout = {"input": noted(named)}
    probe = arranged(batch.load(Path(spec["probe"])), layout)
    np.savez(out / "probe.npz", allow_pickle=False, **answers(path, probe))
    names = [f"output_{index}" for index in range(len(outputs))]
    stored = [
        {"name": name, "to_torch": samples_order(output.to_onnx, output.tensor.shape)}
        for name, output in zip(names, outputs, strict=True)
    ]
    return {"layout": {**layout, "outputs": stored}, "folded": folded}


def _best(
    model: onnx.ModelProto, given: Sequence[Given], sources: dict[str, str]
) -> tuple[list[list[int]], Any, list[Output]]:
    """Channels last, or as they come (sequences, images in NHWC) where that saves transposes."""
    made = []
    for orders in itertools.product(*(_orders(len(entry.shape)) for entry in given)):
        made.append((list(orders), *_traced(model, given, orders, sources)))
        if _transposes(made[-1][1]) == 0:
            break
    return min(made, key=lambda each: _transposes(each[1]))


def _orders(rank: int) -> list[list[int]]:
    return [channels_last_order(rank)] + ([list(range(rank))] if rank > 2 else [])


def _traced(
    model: onnx.ModelProto, given: Sequence[Given], orders: Sequence[Sequence[int]],
    sources: dict[str, str],
) -> tuple[Any, list[Output]]:  # fmt: skip
    """The TensorFlow function of a model whose inputs lie in `orders`, and its outputs."""
    outputs: list[Output] = []
    infos = inputs_of(model)

    def call(*tensors: Any) -> dict[str, Any]:
        values = {
            info.name: given_input(tensor, entry.shape, order)
            for info, tensor, entry, order in zip(infos, tensors, given, orders, strict=True)
        }
        outputs[:] = build(model, values, sources)
        return {f"output_{i}": tf.identity(each.tensor) for i, each in enumerate(outputs)}

    specs = [
        tf.TensorSpec([entry.shape[axis] for axis in order], entry.dtype, entry.name)
        for entry, order in zip(given, orders, strict=True)
    ]
    function = tf.function(call, input_signature=specs, autograph=False)
    function.get_concrete_function()
    return function, outputs


def _transposes(function: Any) -> int:
    graph = function.get_concrete_function().graph
    return sum(operation.type == "Transpose" for operation in graph.get_operations())


def _lowered(function: Any) -> bytes:
    """By way of a SavedModel, whose signature names the outputs."""
    module = tf.Module()
    module.call = function
    tf.saved_model.save(module, "saved", signatures=function.get_concrete_function())
    return tflite("saved")


def tflite(saved_model: str) -> bytes:
    """The float file of a SavedModel's folder."""
    return bytes(tf.lite.TFLiteConverter.from_saved_model(saved_model).convert())


def answers(path: Path, probe: Batch) -> dict[str, np.ndarray]:
    """Outputs of a float file by signature name, one entry a sample."""
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path), num_threads=1).get_signature_runner()
    kinds = {name: detail["dtype"] for name, detail in run.get_input_details().items()}
    rows = [
        {key: value.copy() for key, value in run(**_fed(sample, kinds)).items()} for sample in probe
    ]
    return {key: samples_first([row[key] for row in rows]) for key in rows[0]}


def _fed(sample: Batch, kinds: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: sample.by_name(name).astype(kind) for name, kind in kinds.items()}
