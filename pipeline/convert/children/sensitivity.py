"""Which layers of a quantized file add the error: both files' tensors beside each other.

TensorFlow's quantizer keeps tensor names, so a tensor is found in the float file by its name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.convert.children.statistics import Preserved
from pipeline.convert.flatbuffer import items, read
from pipeline.inputs.batch import Batch

SAMPLES = 8
INT8 = schema.TensorType.INT8


def worst_layers(floating: bytes, quantized: bytes, samples: Batch) -> list[str]:
    """First output names of the int8 operators, the one that adds most error first.

    What a layer adds is its output's noise-to-signal ratio less the largest of its inputs'.
    """
    noise = _noise(floating, quantized, samples[:SAMPLES])
    graph = read(quantized).subgraphs[0]
    added = {}
    for operator in items(graph.operators):
        name = _name(graph.tensors[operator.outputs[0]])
        inputs = [_name(graph.tensors[index]) for index in items(operator.inputs) if index >= 0]
        if name in noise:
            given = max((noise[other] for other in inputs if other in noise), default=0.0)
            added[name] = noise[name] - given
    return sorted(added, key=lambda name: (-added[name], name))


def _noise(floating: bytes, quantized: bytes, samples: Batch) -> dict[str, float]:
    """{tensor name: error power by signal power} of int8 tensors that the float file has too."""
    have = _by_name(floating, schema.TensorType.FLOAT32)
    made = _by_name(quantized, INT8)
    shared = sorted(set(have) & set(made))
    one = Preserved(floating, [have[name] for name in shared])
    two = Preserved(quantized, [made[name] for name in shared])
    steps = {detail["index"]: detail["quantization"] for detail in two.model.get_tensor_details()}
    error, signal = dict.fromkeys(shared, 0.0), dict.fromkeys(shared, 1e-30)
    for want, got in zip(one.run(samples), two.run(samples), strict=True):
        for name in shared:
            scale, zero_point = steps[made[name]]
            value = (got[made[name]].astype(np.float32) - zero_point) * scale
            signal[name] += float(np.square(want[have[name]]).sum())
            error[name] += float(np.square(value - want[have[name]]).sum())
    return {name: error[name] / signal[name] for name in shared}


def _by_name(data: bytes, kind: int) -> dict[str, int]:
    graph = read(data).subgraphs[0]
    written = {int(index) for op in items(graph.operators) for index in items(op.outputs)}
    return {_name(graph.tensors[i]): i for i in written if graph.tensors[i].type == kind}


def _name(tensor: Any) -> str:
    return str(tensor.name.decode())
