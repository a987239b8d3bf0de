"""A float file made ready for integers: constants of their own, and joints where scales differ.

Both are changes that a float graph does not need: two operators may share a bias in float, but
not in int32, where its scale is that of its operator's input and weights; and what shares a scale
by rule may meet a tensor whose scale is fixed by another rule.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.convert.flatbuffer import TYPES, items, operator_name, stored_anew
from pipeline.qat.rules import FIXED, JOINS, SHARES


def legalise(model: Any) -> None:
    """Rewrite an object tree of the schema in place; the function it computes stays."""
    _unshare_constants(model)
    _insert_joints(model)


def _unshare_constants(model: Any) -> None:
    """Give each float operand of each operator a tensor and a buffer of its own."""
    graph, seen, buffers = model.subgraphs[0], set[int](), set[int]()
    for operator in graph.operators:
        inputs = [int(index) for index in items(operator.inputs)]
        for place, index in enumerate(inputs):
            if index < 0 or not _is_float_constant(model, graph.tensors[index]):
                continue
            tensor = graph.tensors[index]
            if index in seen:
                tensor, inputs[place] = copy.copy(tensor), len(graph.tensors)
                graph.tensors.append(tensor)
            seen.add(inputs[place])
            if tensor.buffer in buffers:
                _own_buffer(model, tensor)
            buffers.add(tensor.buffer)
        operator.inputs = np.array(inputs, np.int32)


def _is_float_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return TYPES[tensor.type] == "FLOAT32" and data is not None and len(data) > 0


def _own_buffer(model: Any, tensor: Any) -> None:
    buffer = schema.BufferT()
    buffer.data = model.buffers[tensor.buffer].data
    tensor.buffer = len(model.buffers)
    model.buffers.append(buffer)


def _insert_joints(model: Any) -> None:
    """Put a QUANTIZE between a tensor of fixed scale and an operator that joins it with others.

    What only moves values hands a fixed scale on.
    """
    graph, fixed = model.subgraphs[0], dict[int, tuple[float, int]]()
    operators = []
    for operator in graph.operators:
        name, inputs = operator_name(model, operator), [int(i) for i in items(operator.inputs)]
        kinds = {fixed.get(index) for index in inputs}
        if name in JOINS and len(kinds) > 1:
            for place, index in enumerate(inputs):
                if index in fixed:
                    operators.append(stored_anew(model, index, "QUANTIZE", b";joined"))
                    inputs[place] = int(operators[-1].outputs[0])
            operator.inputs = np.array(inputs, np.int32)
        elif name in FIXED or (name in SHARES and fixed.keys() & set(inputs)):
            kind = FIXED.get(name) or next(kind for kind in kinds if kind)
            fixed.update((int(index), kind) for index in operator.outputs)
        operators.append(operator)
    graph.operators = operators
