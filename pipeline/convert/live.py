"""Where the values of a tensor of a float file still matter to those who read it.

A range need not cover what a reader takes for one and the same: a hard sigmoid is 0 for everything
below -3, an int8 sigmoid (scale 1/256, TensorFlow Lite 8-bit quantization specification) for
everything below -6.24. What is saved there makes every step finer.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.convert.flatbuffer import items, operator_name
from pipeline.quantize.ranges import Range

ALL: Range = (-math.inf, math.inf)
LOGISTIC_END = math.log(511)  # sigmoid(-x) is half a step of 1/256
FUNCTIONS: dict[str, Range] = {
    "LOGISTIC": (-LOGISTIC_END, LOGISTIC_END),
    "TANH": (-math.atanh(255 / 256), math.atanh(255 / 256)),  # half a step of 1/128 from 1
    "RELU": (0.0, math.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "RELU_0_TO_1": (0.0, 1.0),
}
FUSED = {
    schema.ActivationFunctionType.RELU: FUNCTIONS["RELU"],
    schema.ActivationFunctionType.RELU6: FUNCTIONS["RELU6"],
    schema.ActivationFunctionType.RELU_N1_TO_1: FUNCTIONS["RELU_N1_TO_1"],
}
OWN_SCALE = frozenset({
    "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "BATCH_MATMUL", "ADD",
    "SUB", "MUL", "MEAN", "SUM",
})  # fmt: skip
"""Makers of a tensor that nothing else shares a scale with: what only moves values hands its scale
on to what it read, which others may read whole."""
GATES = frozenset({"LOGISTIC", "ADD", "RELU", "RELU6", "RELU_0_TO_1"})
"""0 at the low end of what is live for them; an ADD is, where it has such a function fused in."""


def live_ranges(model: Any) -> dict[int, Range]:
    """{tensor: (low, high)} beyond which no reader tells one value from another; others left out.

    Outputs of the graph are left out too, and tensors whose scale is not their own.
    """
    graph = model.subgraphs[0]
    readers: dict[int, list[Any]] = defaultdict(list)
    makers: dict[int, Any] = {}
    for operator in items(graph.operators):
        makers.update((int(index), operator) for index in items(operator.outputs))
        for index in {int(i) for i in items(operator.inputs)}:
            readers[index].append(operator)
    kept = {int(index) for index in items(graph.outputs)}
    found = {}
    for index, those in readers.items():
        ends = [_end(model, operator, index, makers) for operator in those]
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        own = index in makers and operator_name(model, makers[index]) in OWN_SCALE
        if (low, high) != ALL and index not in kept and own:
            found[index] = (low, high)
    return found


def _end(model: Any, operator: Any, index: int, makers: dict[int, Any]) -> Range:
    """What of a tensor is live for one reader."""
    if operator_name(model, operator) != "MUL":
        return _of_function(model, operator)
    others = {int(i) for i in items(operator.inputs)} - {index}
    gate = makers.get(others.pop()) if len(others) == 1 else None
    if gate is None or index not in items(gate.inputs):
        return ALL
    if operator_name(model, gate) not in GATES:
        return ALL
    return _of_function(model, gate)[0], math.inf  # below it the other factor is 0


def _of_function(model: Any, operator: Any) -> Range:
    name = operator_name(model, operator)
    if name != "ADD":
        return FUNCTIONS.get(name, ALL)
    summands = [_number(model, int(index)) for index in items(operator.inputs)]
    known = [number for number in summands if number is not None]
    ends = FUSED.get(operator.builtinOptions.fusedActivationFunction, ALL)
    return (ends[0] - known[0], ends[1] - known[0]) if len(known) == 1 else ALL


def _number(model: Any, index: int) -> float | None:
    """A float constant of one element."""
    tensor = model.subgraphs[0].tensors[index]
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) != 4 or tensor.type != schema.TensorType.FLOAT32:
        return None
    return float(np.asarray(data, np.uint8).view(np.float32)[0])
