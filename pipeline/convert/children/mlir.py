"""TensorFlow's quantizer over a float file, with ranges of our own in place of its calibrator's.

`mlir_quantize` is the second half of TFLiteConverter: it reads the minimum and maximum that a
float file notes for its tensors. So percentiles or trained ranges go in the same way as extremes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from tensorflow.lite.python.convert import mlir_quantize

from pipeline.convert.flatbuffer import items, operator_name, pack
from pipeline.quantize.ranges import Range

UNSOUND = frozenset({"SCATTER_ND"})
"""Has int8 kernels that fill what is left free with 0, whatever number that stands for."""
CHOOSES = frozenset({"MAXIMUM", "MINIMUM", "SELECT", "SELECT_V2"})


def quantize(
    model: Any, ranges: Mapping[int, Range], *, float_types: Collection[str] = (),
    float_names: Collection[str] = (), integer_ports: bool = True,
) -> bytes:  # fmt: skip
    """Quantize a float file's object tree: int8 weights per channel, int8 activations per tensor.

    `ranges` are by tensor of the main graph. Operators of `float_types`, those whose first output
    has one of `float_names`, and unsound ones stay float. `integer_ports`: int8 inputs and outputs.
    """
    port = tf.int8 if integer_ports else tf.float32
    noted = _note(model, _mended(model, ranges))
    made = mlir_quantize(
        noted, False, integer_ports, input_data_type=port, output_data_type=port,
        denylisted_ops={*float_types, *UNSOUND}, denylisted_nodes=set(float_names) or None,
    )  # fmt: skip
    return bytes(made)


def _note(model: Any, ranges: Mapping[int, Range]) -> bytes:
    """The file with each range as its tensor's minimum and maximum; the tree stays as it was."""
    tensors, before = model.subgraphs[0].tensors, {}
    for index, (low, high) in ranges.items():
        before[index] = tensors[index].quantization
        tensors[index].quantization = schema.QuantizationParametersT()
        tensors[index].quantization.min, tensors[index].quantization.max = [low], [high]
    try:
        return pack(model)
    finally:
        for index, quantization in before.items():
            tensors[index].quantization = quantization


def _mended(model: Any, ranges: Mapping[int, Range]) -> dict[int, Range]:
    """Ranges that the quantizer can take as they are.

    It gives the operands of an operator that chooses the scale of the result, which clips what
    others read of them: the result gets the range of such operands. Of a tensor that is always 0 it
    would make a scale that no kernel takes.
    """
    graph = model.subgraphs[0]
    found = {index: (low, high if high > low else 1.0) for index, (low, high) in ranges.items()}
    readers = Counter(int(i) for operator in graph.operators for i in set(items(operator.inputs)))
    readers.update(int(index) for index in items(graph.outputs))
    for operator in graph.operators:
        if operator_name(model, operator) not in CHOOSES:
            continue
        shared = [int(i) for i in items(operator.inputs) if i in found and readers[int(i)] > 1]
        for index in (int(i) for i in items(operator.outputs) if i in found):
            ends = [found[index], *(found[i] for i in shared)]
            found[index] = min(low for low, _ in ends), max(high for _, high in ends)
    return found
