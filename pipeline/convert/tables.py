"""Functions of one int8 value as a look-up among 256, in a file that is quantized already.

Some have no int8 kernel anywhere and are left in float between DEQUANTIZE and QUANTIZE; some have
one in ai-edge-litert and none in tflite-runtime 2.14 (SQRT, LOG, DIV), which refuses the file or
fails when it runs. A table is exact to half a step of the output, in every runtime.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from pipeline.convert.flatbuffer import forget_unused_codes, items, operator_name
from pipeline.convert.writer import Writer

Values = NDArray[np.float64]
INT8 = schema.TensorType.INT8
LOW, HIGH = -128, 127
UNARY: Mapping[str, Callable[[Values], Values]] = {
    "SQRT": np.sqrt, "LOG": np.log, "SIN": np.sin, "COS": np.cos, "FLOOR": np.floor,
    "CEIL": np.ceil, "ROUND": np.round, "SIGN": np.sign,
}  # fmt: skip
BINARY: Mapping[str, Callable[[Any, Any], Values]] = {
    "POW": np.power, "DIV": np.divide, "FLOOR_MOD": np.mod, "FLOOR_DIV": np.floor_divide,
}  # fmt: skip
TABLED = frozenset({*UNARY, *BINARY})


@dataclass(frozen=True)
class Island:
    """Operators one after the other, of which the first reads and the last writes int8."""

    operators: list[Any]
    source: int
    target: int


def look_up(model: Any) -> int:
    """Rewrite the main graph of an object tree in place; returns how many functions became tables.

    Only where everything else is a constant number: a function of two tensors has no table.
    """
    islands = {id(one.operators[0]): one for one in _islands(model)}
    gone = {id(operator) for one in islands.values() for operator in one.operators}
    writer, made = Writer(model), 0
    for operator in model.subgraphs[0].operators:
        one = islands.get(id(operator))
        if one is not None:
            _write(writer, one)
            made += 1
        elif id(operator) not in gone:
            writer.operators.append(operator)
    writer.graph.operators = writer.operators
    forget_unused_codes(model)
    return made


def _islands(model: Any) -> Iterator[Island]:
    graph = model.subgraphs[0]
    uses = Counter(int(i) for operator in graph.operators for i in items(operator.inputs))
    uses.update(int(index) for index in items(graph.outputs))
    readers = {int(i): op for op in graph.operators for i in items(op.inputs) if uses[int(i)] == 1}
    for operator in graph.operators:
        chain = [operator]
        if operator_name(model, operator) == "DEQUANTIZE":
            while (following := readers.get(int(chain[-1].outputs[0]))) is not None:
                chain.append(following)
                if operator_name(model, following) == "QUANTIZE" or not _known(model, following):
                    break
            inside = chain[1:-1]
            if not inside or operator_name(model, chain[-1]) != "QUANTIZE":
                continue
        elif not _known(model, operator):
            continue
        source, target = _source(model, chain[0]), int(chain[-1].outputs[0])
        if all(graph.tensors[index].type == INT8 for index in (source, target)):
            yield Island(chain, source, target)


def _known(model: Any, operator: Any) -> bool:
    name, inputs = operator_name(model, operator), items(operator.inputs)
    if name in UNARY:
        return True
    return name in BINARY and sum(_number(model, int(i)) is not None for i in inputs) == 1


def _source(model: Any, operator: Any) -> int:
    return next(int(i) for i in items(operator.inputs) if _number(model, int(i)) is None)


def _number(model: Any, index: int) -> float | None:
    """A constant of one element, its real value."""
    tensor = model.subgraphs[0].tensors[index]
    data = model.buffers[tensor.buffer].data
    if data is None or not len(data) or int(np.prod(items(tensor.shape))) != 1:
        return None
    raw = np.asarray(data, np.uint8)
    if tensor.type == schema.TensorType.FLOAT32:
        return float(raw.view(np.float32)[0])
    return float(_real(tensor, raw.view(np.int8))[0]) if tensor.type == INT8 else None


def _real(tensor: Any, steps: NDArray[Any]) -> Values:
    parameters = tensor.quantization
    values: Values = steps.astype(np.float64) - float(parameters.zeroPoint[0])
    return values * float(parameters.scale[0])


def _write(writer: Writer, island: Island) -> None:
    tensors = writer.graph.tensors
    source, target = tensors[island.source], tensors[island.target]
    values = _real(source, np.arange(LOW, HIGH + 1))
    with np.errstate(all="ignore"):
        for operator in island.operators:
            values = _applied(writer.model, operator, values)
    steps = np.round(values / target.quantization.scale[0]) + target.quantization.zeroPoint[0]
    ends = np.nan_to_num(steps, nan=target.quantization.zeroPoint[0]).clip(LOW, HIGH)
    table = writer.constant(ends, np.int8)
    tensors[table].quantization = target.quantization
    index = writer.between(island.source, schema.TensorType.INT32)
    place = writer.between(island.source, schema.TensorType.INT32)
    writer.add("CAST", [island.source], index)
    writer.add("ADD", [index, writer.constant(-LOW, np.int32)], place)
    writer.add("GATHER", [table, place], island.target, axis=0)


def _applied(model: Any, operator: Any, values: Values) -> Values:
    name = operator_name(model, operator)
    if name in UNARY:
        return UNARY[name](values)
    if name not in BINARY:
        return values  # QUANTIZE and DEQUANTIZE
    numbers = [_number(model, int(index)) for index in items(operator.inputs)]
    return BINARY[name](*(values if number is None else number for number in numbers))
