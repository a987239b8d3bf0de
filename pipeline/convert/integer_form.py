"""Operators that no runtime computes in int8, written with those that it does; in a float file.

The function stays the same. HARD_SWISH has an int8 kernel, but no delegate takes it: as a clipped
sum and two products the graph stays in one piece.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from pipeline.convert.flatbuffer import items, operator_name
from pipeline.convert.forms import convolutions, movement, pointwise
from pipeline.convert.forms.form import Reads
from pipeline.convert.writer import Writer

AFFINE = frozenset({"ADD"})  # kept where what stays float must not be cut in pieces
FORMS = pointwise.FORMS | movement.FORMS | convolutions.FORMS


def integer_form(model: Any, *, keep: Collection[str] = (), runtime: str = "") -> int:
    """Rewrite the main graph of an object tree in place; returns how many operators changed.

    `keep`: operators that stay as they are. `runtime`: the only one that the file has to serve.
    """
    forms = FORMS | convolutions.FORMS_FOR.get(runtime, {})
    writer, changed = Writer(model), 0
    graph = model.subgraphs[0]
    read = Reads(int(i) for operator in graph.operators for i in items(operator.inputs))
    read.update(int(index) for index in items(graph.outputs))
    for operator in graph.operators:
        name = operator_name(model, operator)
        form = None if name in keep else forms.get(name)
        writer.given = operator.builtinOptions
        inputs, outputs = ([int(i) for i in items(x)] for x in (operator.inputs, operator.outputs))
        floating = all(graph.tensors[i].type == schema.TensorType.FLOAT32 for i in outputs)
        if form is not None and floating and form(writer, inputs, outputs, read):
            changed += 1
        else:
            writer.operators.append(operator)
    graph.operators = writer.operators
    return changed
