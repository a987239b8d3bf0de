"""Where the values of a tensor of a float file still matter to those who read it.

A range need not cover what a reader takes for one and the same: a hard sigmoid is 0 for everything
below -3, an int8 sigmoid (scale 1/256, TensorFlow Lite 8-bit quantization specification) for
everything below -6.24. What is saved there makes every step finer.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
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
MOVES = frozenset({
    "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V",
    "UNPACK", "GATHER", "PAD", "MIRROR_PAD", "TILE", "BROADCAST_TO", "RESIZE_NEAREST_NEIGHBOR",
    "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "MAX_POOL_2D",
})  # fmt: skip
"""Readers of one tensor that hand on what they read, each value as it is."""
GATES = frozenset({"LOGISTIC", "ADD", "MUL", "RELU", "RELU6", "RELU_0_TO_1"})
"""0 at the low end of what is live for them; a sum is, where it has such a function fused in."""


def live_ranges(model: Any) -> dict[int, Range]:
    """{tensor: (low, high)} beyond which no reader tells one value from another; others left out.

    Outputs of the graph are left out too, and tensors whose scale is not their own.
    """
    readers = _Readers(model)
    found = {}
    for operator in items(model.subgraphs[0].operators):
        if operator_name(model, operator) in OWN_SCALE:
            found.update({int(i): readers.ends(int(i)) for i in items(operator.outputs)})
    return {index: ends for index, ends in found.items() if ends != ALL}


class _Readers:
    """Who reads what in a graph."""

    def __init__(self, model: Any) -> None:
        self.model, graph = model, model.subgraphs[0]
        self.of: dict[int, list[Any]] = defaultdict(list)
        self.makers: dict[int, Any] = {}
        self.kept = {int(index) for index in items(graph.outputs)}
        for operator in items(graph.operators):
            self.makers.update((int(index), operator) for index in items(operator.outputs))
            for index in {int(i) for i in items(operator.inputs)}:
                self.of[index].append(operator)

    def ends(self, index: int) -> Range:
        """What of a tensor any reader can tell apart."""
        those = self.of[index]
        if index in self.kept or not those:
            return ALL
        return _both(self._of_reader(operator, index) for operator in those)

    def _of_reader(self, operator: Any, index: int) -> Range:
        name = operator_name(self.model, operator)
        if name in MOVES:
            return _both(self.ends(int(i)) for i in items(operator.outputs))
        if name != "MUL":
            return _of_function(self.model, operator)
        others = {int(i) for i in items(operator.inputs)} - {index}
        gate = self.makers.get(others.pop()) if len(others) == 1 else None
        if gate is None or index not in items(gate.inputs):
            return _of_function(self.model, operator)
        if operator_name(self.model, gate) not in GATES:
            return ALL
        return _of_function(self.model, gate)[0], math.inf  # below it the other factor is 0


def _both(ends: Iterable[Range]) -> Range:
    lows, highs = zip(*ends, strict=True)
    return min(lows), max(highs)


def _of_function(model: Any, operator: Any) -> Range:
    """Of a function, or of one fused into a sum or product with a number."""
    name = operator_name(model, operator)
    if name not in ("ADD", "MUL"):
        return FUNCTIONS.get(name, ALL)
    numbers = [_number(model, int(index)) for index in items(operator.inputs)]
    known = [number for number in numbers if number is not None]
    low, high = FUSED.get(operator.builtinOptions.fusedActivationFunction, ALL)
    if len(known) != 1 or (name == "MUL" and known[0] <= 0):
        return ALL
    (number,) = known
    return (low - number, high - number) if name == "ADD" else (low / number, high / number)


def _number(model: Any, index: int) -> float | None:
    """A float constant of one element."""
    tensor = model.subgraphs[0].tensors[index]
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) != 4 or tensor.type != schema.TensorType.FLOAT32:
        return None
    return float(np.asarray(data, np.uint8).view(np.float32)[0])
