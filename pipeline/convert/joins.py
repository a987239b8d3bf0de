"""Outputs that join values of unlike size, such as a detector's boxes in pixels and its scores.

An int8 tensor has one scale. Where boxes reach 640 a step is 2.5, and every score between 0 and 1
becomes 0: the file is close to the float one by its error, and detects nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.convert.flatbuffer import items, operator_name, stored_anew
from pipeline.quantize.ranges import Range

UNLIKE = 16  # a part's range this many times smaller keeps less than 4 of its 8 bits
JOIN = "CONCATENATION"
MOVES = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE"})


def unlike_joins(model: Any, ranges: Mapping[int, Range]) -> list[str]:
    """First output names of the operators to leave in float, so that each part keeps its own scale.

    They are the joins that an output of the main graph is made of, up to what computes the parts,
    and what only moves values between them. `ranges` are by tensor.
    """
    graph = model.subgraphs[0]
    makers = {int(i): op for op in items(graph.operators) for i in items(op.outputs)}
    found: dict[str, None] = {}
    for output in items(graph.outputs):
        tree, parts = _tree(model, makers, int(output))
        joined = any(operator_name(model, operator) == JOIN for operator in tree)
        if joined and _unlike([ranges[part] for part in parts if part in ranges]):
            names = (graph.tensors[operator.outputs[0]].name.decode() for operator in tree)
            found |= dict.fromkeys(names)
    return list(found)


def free_outputs(model: Any) -> int:
    """Make outputs float that are quantized at the very end, in place; returns how many.

    The quantizer gives every output of an integer file a scale, also where it left what computes
    it in float.
    """
    graph, freed = model.subgraphs[0], {}
    outputs = {int(index) for index in items(graph.outputs)}
    for operator in graph.operators:
        given, made = int(operator.inputs[0]), int(operator.outputs[0])
        floating = graph.tensors[given].type == schema.TensorType.FLOAT32
        if made in outputs and floating and operator_name(model, operator) == "QUANTIZE":
            freed[made] = given
    graph.operators = [op for op in graph.operators if int(op.outputs[0]) not in freed]
    graph.outputs = [freed.get(int(index), int(index)) for index in graph.outputs]
    for signature in items(model.signatureDefs):
        for entry in items(signature.outputs):
            entry.tensorIndex = freed.get(int(entry.tensorIndex), int(entry.tensorIndex))
    return len(freed)


def float_joins(model: Any, ranges: Mapping[int, Range]) -> int:
    """Let such joins read each part through a DEQUANTIZE, in place; returns how many stay float.

    For a file whose tensors get their scales one by one: what comes behind it gets none.
    """
    graph, names = model.subgraphs[0], set(unlike_joins(model, ranges))
    joins = [op for op in graph.operators if graph.tensors[op.outputs[0]].name.decode() in names]
    inside = {int(op.outputs[0]) for op in joins}
    real: dict[int, int] = {}
    operators = []
    for operator in graph.operators:
        if operator in joins:
            moved = set(_moved(model, operator)) - inside
            for part in sorted(moved - real.keys()):
                made = stored_anew(model, part, "DEQUANTIZE", b";real")
                real[part] = int(made.outputs[0])
                operators.append(made)
            inputs = [int(i) for i in items(operator.inputs)]
            operator.inputs = np.array([real[i] if i in moved else i for i in inputs], np.int32)
        operators.append(operator)
    graph.operators = operators
    return len(joins)


def _tree(model: Any, makers: Mapping[int, Any], output: int) -> tuple[list[Any], list[int]]:
    """The operators that only put an output together, and the tensors of which they do."""
    operators, parts, waiting = [], [], [output]
    while waiting:
        tensor = waiting.pop()
        maker = makers.get(tensor)
        inputs = None if maker is None else list(_moved(model, maker))
        if inputs:
            operators.append(maker)
            waiting += inputs
        else:
            parts.append(tensor)
    return operators, parts


def _moved(model: Any, operator: Any) -> Iterator[int]:
    """What an operator hands on as it is; nothing where it computes."""
    name = operator_name(model, operator)
    given = [int(index) for index in items(operator.inputs)]
    yield from given if name == JOIN else given[:1] if name in MOVES else ()


def _unlike(ranges: list[Range]) -> bool:
    widths = [high - low for low, high in ranges if high > low]
    return bool(widths) and max(widths) > UNLIKE * min(widths)
