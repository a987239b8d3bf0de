"""ONNX to a float TFLite file; runs in a child process (`worker.call`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.inliner
import tensorflow as tf

from pipeline.convert.layout import samples_first, samples_order
from pipeline.convert.translate.fold import fold
from pipeline.convert.translate.graph import Output, build, given_input, inputs_of
from pipeline.convert.translate.value import channels_last_order

INPUT = "input"


def main(spec: dict[str, Any]) -> dict[str, Any]:
    """Convert `spec["onnx"]`; float.tflite and its answer to a probe go to `out`.

    shape: the input's, batch of one in front; probe: .npy in the model's own layout, first axis the
    samples; sources: {ONNX node: the user's line it comes from}. The answer is probe.npz, as stored
    in the file. Returns the layout of input and outputs, and what was folded.
    """
    model = onnx.inliner.inline_local_functions(onnx.load(spec["onnx"]))
    folded = fold(model)
    order, function, outputs = _best(model, spec["shape"], spec["sources"])
    out = Path(spec["out"])
    path = out / "float.tflite"
    path.write_bytes(_lowered(function))
    probe = np.load(spec["probe"]).transpose(order)
    np.savez(out / "probe.npz", allow_pickle=False, **answers(path, probe))
    names = [f"output_{index}" for index in range(len(outputs))]
    stored = [
        {"name": name, "to_torch": samples_order(output.to_onnx, output.tensor.shape)}
        for name, output in zip(names, outputs, strict=True)
    ]
    return {"layout": {"input": order, "outputs": stored}, "folded": folded}


def _best(
    model: onnx.ModelProto, shape: Sequence[int], sources: dict[str, str]
) -> tuple[list[int], Any, list[Output]]:
    """Channels last; for signals and sequences the order that needs the fewest transposes."""
    rank = len(shape)
    orders = [channels_last_order(rank)] + ([list(range(rank))] if rank == 3 else [])
    made = [(order, *_traced(model, shape, order, sources)) for order in orders]
    return min(made, key=lambda each: _transposes(each[1]))


def _traced(
    model: onnx.ModelProto, shape: Sequence[int], order: Sequence[int], sources: dict[str, str]
) -> tuple[Any, list[Output]]:
    """The TensorFlow function of a model whose input lies in `order`, and its outputs."""
    outputs: list[Output] = []
    (info,) = inputs_of(model)

    def call(tensor: Any) -> dict[str, Any]:
        given = {info.name: given_input(tensor, shape, order)}
        outputs[:] = build(model, given, sources)
        return {f"output_{i}": tf.identity(each.tensor) for i, each in enumerate(outputs)}

    spec = tf.TensorSpec([shape[axis] for axis in order], tf.float32, INPUT)
    function = tf.function(call, input_signature=[spec], autograph=False)
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


def answers(path: Path, probe: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs of a float file by signature name, one entry a sample."""
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(str(path), num_threads=1).get_signature_runner()
    (name,) = run.get_input_details()
    rows = [
        {key: value.copy() for key, value in run(**{name: probe[[index]]}).items()}
        for index in range(len(probe))
    ]
    return {key: samples_first([row[key] for row in rows]) for key in rows[0]}
