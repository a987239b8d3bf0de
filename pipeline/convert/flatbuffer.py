"""Reading and writing a .tflite file's flatbuffer, also one we did not make."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from pipeline.errors import UsageError

IDENTIFIER = b"TFL3"


def _names(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if isinstance(value, int)}


OPERATORS = _names(schema.BuiltinOperator)
TYPES = _names(schema.TensorType)


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """The file as the schema's object tree (`ModelT`); what cannot be read of it is one error.

    Raises:
        UsageError: the file is missing, cut short, corrupt or no .tflite, also where that only
            shows inside the `with` block: the generated reader checks nothing.
    """
    fix = "give a whole .tflite file, or make it again with `secateur convert`"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=path, fix=fix) from error
    if data[4:8] != IDENTIFIER:
        raise UsageError("no TFLite file (its mark TFL3 is missing)", where=path, fix=fix)
    try:
        yield schema.ModelT.InitFromPackedBuf(data, 0)
    except Exception as error:
        what = f"corrupt TFLite file ({type(error).__name__}: {error})"
        raise UsageError(what, where=path, fix=fix) from error


def read(data: bytes) -> Any:
    """The object tree of bytes that a converter has just made."""
    return schema.ModelT.InitFromPackedBuf(data, 0)


def pack(model: Any) -> bytes:
    """An object tree as the bytes of a .tflite file."""
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def items(vector: Any) -> Sequence[Any]:
    """A vector of the schema as a sequence; the reader gives None for an empty one."""
    return () if vector is None else vector


def operator_name(model: Any, operator: Any) -> str:
    """`CONV_2D`, or `CUSTOM:name` for one outside the built-in set."""
    code = model.operatorCodes[operator.opcodeIndex]
    name = OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
    return f"CUSTOM:{code.customCode.decode()}" if name == "CUSTOM" else name


def names_in(data: bytes) -> set[str]:
    """The built-in operators that a file's bytes name, without a look at the rest."""
    model = schema.Model.GetRootAs(data)
    codes = (model.OperatorCodes(index) for index in range(model.OperatorCodesLength()))
    return {OPERATORS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())] for code in codes}


def operator_code(model: Any, builtin: int) -> int:
    """The index of a built-in operator's code in the model; added, in version 1, if it is missing.

    Codes from 127 on do not fit the old field, which then holds a mark (schema.fbs).
    """
    for number, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == builtin:
            return number
    code = schema.OperatorCodeT()
    code.builtinCode, code.version = builtin, 1
    code.deprecatedBuiltinCode = min(
        builtin, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES
    )
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def forget_unused_codes(model: Any) -> None:
    """Take operators' codes that nothing uses out of a model: a runtime refuses unknown ones."""
    operators = [operator for graph in model.subgraphs for operator in items(graph.operators)]
    used = sorted({operator.opcodeIndex for operator in operators})
    place = {index: number for number, index in enumerate(used)}
    model.operatorCodes = [model.operatorCodes[index] for index in used]
    for operator in operators:
        operator.opcodeIndex = place[operator.opcodeIndex]


def stored_anew(model: Any, index: int, kind: str, mark: bytes) -> Any:
    """A QUANTIZE or DEQUANTIZE of a tensor into a new one, which bears its name and `mark`."""
    graph = model.subgraphs[0]
    tensor = copy.copy(graph.tensors[index])
    tensor.name = tensor.name + mark
    graph.tensors.append(tensor)
    operator, options = schema.OperatorT(), f"{kind.capitalize()}Options"
    operator.opcodeIndex = operator_code(model, getattr(schema.BuiltinOperator, kind))
    operator.inputs = np.array([index])
    operator.outputs = np.array([len(graph.tensors) - 1])
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
    operator.builtinOptions = getattr(schema, f"{options}T")()
    return operator
