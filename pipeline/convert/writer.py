"""Operators and tensors written into a .tflite file's object tree."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from pipeline.convert.flatbuffer import items, operator_code

KINDS = {"DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions", "CONV_2D": "Conv2DOptions"}
Fused = schema.ActivationFunctionType
TYPES: dict[type[Any], int] = {
    np.float32: schema.TensorType.FLOAT32,
    np.int32: schema.TensorType.INT32,
    np.int8: schema.TensorType.INT8,
}


class Writer:
    """Operators and tensors for a graph, collected in `operators`."""

    def __init__(self, model: Any) -> None:
        self.model, self.graph = model, model.subgraphs[0]
        self.operators: list[Any] = []
        self.given: Any = None  # options of the operator that is rewritten

    def constant(self, values: Any, dtype: type[Any] = np.float32) -> int:
        """The index of a new constant of one axis or more."""
        array = np.atleast_1d(np.ascontiguousarray(values, dtype))
        buffer, tensor = schema.BufferT(), schema.TensorT()
        buffer.data = array.view(np.uint8).ravel()
        self.model.buffers.append(buffer)
        tensor.buffer, tensor.shape = len(self.model.buffers) - 1, np.array(array.shape, np.int32)
        tensor.type = TYPES[dtype]
        tensor.name = b"integer_form/constant_%d" % len(self.graph.tensors)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def between(
        self, like: int, plain: int | None = None, shape: Sequence[int] | None = None
    ) -> int:
        """The index of a new activation, of the shape of another; `plain`: of that type.

        Of one axis at least, as the constants that it meets are.
        """
        tensor = copy.copy(self.graph.tensors[like])
        if not len(items(tensor.shape)):
            tensor.shape = np.array([1], np.int32)
        if shape is not None:
            tensor.shape, tensor.shapeSignature = np.array(shape, np.int32), None
        if plain is not None:
            tensor.type, tensor.quantization = plain, None
        tensor.name = b"integer_form/%d" % len(self.graph.tensors)
        tensor.buffer = 0
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def numbers(self, index: int) -> list[int]:
        """An int32 constant's; nothing where it is computed."""
        data = self.model.buffers[self.graph.tensors[index].buffer].data
        known = np.zeros(0, np.uint8) if data is None else np.asarray(data, np.uint8)
        return [int(number) for number in known.view(np.int32)]

    def floats(self, index: int) -> NDArray[np.float32]:
        """A float32 constant; empty where it is computed or left out."""
        tensor = self.graph.tensors[index]
        data = self.model.buffers[tensor.buffer].data
        if data is None or index < 0:
            return np.zeros(0, np.float32)
        return np.asarray(data, np.uint8).view(np.float32).reshape(tensor.shape)

    def shape(self, index: int) -> list[int]:
        """Of a tensor."""
        return [int(size) for size in items(self.graph.tensors[index].shape)]

    def reshape(self, index: int, shape: Sequence[int], output: int | None = None) -> int:
        """A tensor in another shape; returns its output, a new one if none is given."""
        made = self.between(index, shape=shape) if output is None else output
        wanted = self.constant(shape, np.int32)
        return self.add("RESHAPE", [index, wanted], made, newShape=np.array(shape, np.int32))

    def add(
        self, name: str, inputs: Sequence[int], output: int, fused: int = Fused.NONE,
        **options: Any,
    ) -> int:  # fmt: skip
        """One operator; returns its output."""
        operator = schema.OperatorT()
        operator.opcodeIndex = operator_code(self.model, getattr(schema.BuiltinOperator, name))
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array([output], np.int32)
        kind = KINDS.get(name, f"{name.capitalize()}Options")
        if hasattr(schema.BuiltinOptions, kind):
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = getattr(schema, f"{kind}T")()
            if hasattr(operator.builtinOptions, "fusedActivationFunction"):
                operator.builtinOptions.fusedActivationFunction = fused
            for option, value in options.items():
                setattr(operator.builtinOptions, option, value)
        self.operators.append(operator)
        return output
