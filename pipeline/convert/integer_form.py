"""Operators that no runtime computes in int8, written with those that it does; in a float file.

The function stays the same. HARD_SWISH has an int8 kernel, but no delegate takes it: as a clipped
sum and two products the graph stays in one piece.
"""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from pipeline.convert.flatbuffer import items, operator_code, operator_name

KINDS = {"DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions", "CONV_2D": "Conv2DOptions"}
Fused = schema.ActivationFunctionType
AFFINE = frozenset({"ADD"})  # kept where what stays float must not be cut in pieces
MOST_BIAS = 1000  # times the weight: beyond that it may not fit into 32 bits
LARGEST_WINDOW = 64  # of an average pool that becomes a convolution
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


Reads = Counter[int]
Form = Callable[[Writer, list[int], list[int], Reads], bool]
"""(writer, inputs, outputs, how often each tensor is read) to whether it applied."""


def integer_form(model: Any, *, keep: Collection[str] = (), runtime: str = "") -> int:
    """Rewrite the main graph of an object tree in place; returns how many operators changed.

    `keep`: operators that stay as they are. `runtime`: the only one that the file has to serve.
    """
    forms = FORMS | FORMS_FOR.get(runtime, {})
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


def _neg(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    writer.add("MUL", [inputs[0], writer.constant(-1)], outputs[0])
    return True


def _square(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    writer.add("MUL", [inputs[0], inputs[0]], outputs[0])
    return True


def _squared_difference(
    writer: Writer, inputs: list[int], outputs: list[int], _read: Reads
) -> bool:
    """Of a layer norm: its int8 kernel is in no delegate, and slow where it broadcasts."""
    gap = writer.add("SUB", inputs, writer.between(outputs[0]))
    writer.add("MUL", [gap, gap], outputs[0])
    return True


def _elu(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    """max(x, 0) + exp(min(x, 0)) - 1."""
    (x,), (y,) = inputs, outputs
    above = writer.add("MUL", [x, writer.constant(1)], writer.between(x), Fused.RELU)
    below = writer.add("SUB", [x, above], writer.between(x))
    exponential = writer.add("EXP", [below], writer.between(x))
    shifted = writer.add("SUB", [exponential, writer.constant(1)], writer.between(x))
    writer.add("ADD", [above, shifted], y)
    return True


def _clipped(fused: int) -> Form:
    """Fused into a product where others read what is clipped: no delegate takes it then.

    For a single reader the quantizer gives both sides one scale, that of the part which is left.
    """

    def form(writer: Writer, inputs: list[int], outputs: list[int], read: Reads) -> bool:
        if read[inputs[0]] < 2:
            return False
        writer.add("MUL", [inputs[0], writer.constant(1)], outputs[0], fused)
        return True

    return form


def _hard_swish(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    """x relu6(x + 3) / 6."""
    (x,), (y,) = inputs, outputs
    gate = writer.add("ADD", [x, writer.constant(3)], writer.between(x), Fused.RELU6)
    product = writer.add("MUL", [x, gate], writer.between(x))
    writer.add("MUL", [product, writer.constant(1 / 6)], y)
    return True


def _div(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    """a times 1 / b, which is a function of one value (`tables`)."""
    buffers, tensors = writer.model.buffers, writer.graph.tensors
    if any(buffers[tensors[i].buffer].data is not None for i in inputs):
        return False
    inverse = writer.add("DIV", [writer.constant(1), inputs[1]], writer.between(inputs[1]))
    writer.add("MUL", [inputs[0], inverse], outputs[0])
    return True


def _affine(writer: Writer, inputs: list[int], outputs: list[int], read: Reads) -> bool:
    """A factor and a summand a channel, as a norm has them, in one depthwise convolution.

    A channel's only weight is exact in int8, its bias has 32 bits, and what lies between the two
    operators is not rounded: where the summand takes most of the product away, that is all of it.
    """
    products = (op for op in writer.operators[::-1] if int(op.outputs[0]) in inputs)
    product = next(products, None)
    if product is None or operator_name(writer.model, product) != "MUL":
        return False
    if product.builtinOptions.fusedActivationFunction != Fused.NONE:
        return False
    between, shape = int(product.outputs[0]), writer.shape(outputs[0])
    summands, factors = (
        [array for i in items(each) if (array := writer.floats(int(i)).ravel()).size]
        for each in (inputs, product.inputs)
    )
    given = [int(i) for i in items(product.inputs) if not writer.floats(int(i)).size]
    if not len(summands) == len(factors) == len(given) == 1 or read[between] > 1:
        return False
    ((bias,), (weights,), (source,)) = summands, factors, given
    if (
        len(shape) < 2
        or not len(bias) == len(weights) == shape[-1]
        or writer.shape(source) != shape
    ):
        return False
    if np.abs(bias).max() > MOST_BIAS * np.abs(weights).min():
        return False
    writer.operators = [op for op in writer.operators if op is not product]
    image = shape if len(shape) == 4 else [1, 1, math.prod(shape[:-1]), shape[-1]]
    x = source if image == shape else writer.reshape(source, image)
    made = outputs[0] if image == shape else writer.between(outputs[0], shape=image)
    fused = writer.given.fusedActivationFunction
    kernel = writer.constant(weights.reshape(1, 1, 1, -1))
    writer.add(
        "DEPTHWISE_CONV_2D", [x, kernel, writer.constant(bias)], made, fused,
        padding=schema.Padding.VALID, strideH=1, strideW=1, depthMultiplier=1, dilationHFactor=1,
        dilationWFactor=1,
    )  # fmt: skip
    if made != outputs[0]:
        writer.reshape(made, shape, outputs[0])
    return True


def _average_pool(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    """A depthwise convolution: no delegate takes the pool, whose output must keep the scale of its
    input, wide as it is. Not where windows reach beyond the edge, and count less there."""
    given, shape = writer.given, writer.graph.tensors[inputs[0]].shape
    height, width, channels = given.filterHeight, given.filterWidth, int(shape[-1])
    inside = given.padding == schema.Padding.VALID
    if not inside or height * width > LARGEST_WINDOW or given.strideH != given.strideW:
        return False
    weights = np.full((1, height, width, channels), 1 / (height * width))
    writer.add(
        "DEPTHWISE_CONV_2D", [inputs[0], writer.constant(weights), writer.constant([0] * channels)],
        outputs[0], given.fusedActivationFunction, padding=given.padding, strideH=given.strideH,
        strideW=given.strideW, depthMultiplier=1, dilationHFactor=1, dilationWFactor=1,
    )  # fmt: skip
    return True


def _reverse(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    """Has an int8 kernel that copies; but no quantizer knows that it must keep the scale."""
    axes = writer.numbers(inputs[1])
    if not axes:
        return False
    source, shape = inputs[0], writer.graph.tensors[inputs[0]].shape
    for left, axis in reversed(list(enumerate(axes))):
        order = writer.constant(np.arange(int(shape[axis]))[::-1], np.int32)
        target = writer.between(outputs[0]) if left else outputs[0]
        source = writer.add("GATHER", [source, order], target, axis=axis % len(shape))
    return True


def _split(writer: Writer, inputs: list[int], outputs: list[int], read: Reads) -> bool:
    """A part that nobody reads gets no scale, and then none of them does: the others are cut."""
    if all(read[output] for output in outputs):
        return False
    graph = writer.graph
    axis, whole = inputs
    known = writer.numbers(axis)
    if not known:
        return False
    rank = len(graph.tensors[whole].shape)
    at = known[0] % rank
    begin = 0
    for output in outputs:
        size = [int(n) for n in graph.tensors[output].shape]
        if read[output]:
            start = [begin if i == at else 0 for i in range(rank)]
            cut = [writer.constant(start, np.int32), writer.constant(size, np.int32)]
            writer.add("SLICE", [whole, *cut], output)
        begin += size[at]
    return True


def _grouped(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    """One convolution a group; where several make one operator slow."""
    tensors = writer.graph.tensors
    whole, given = tensors[inputs[0]], writer.given
    weights, *bias = (writer.floats(index) for index in inputs[1:])
    groups = int(whole.shape[-1]) // weights.shape[-1] if weights.size else 1
    if groups < 2:
        return False
    parts = []
    for group, rows in enumerate(np.split(np.arange(len(weights)), groups)):
        shape = [*(int(n) for n in whole.shape[:-1]), weights.shape[-1]]
        start = [0, 0, 0, group * weights.shape[-1]]
        ends = [writer.constant(numbers, np.int32) for numbers in (start, shape)]
        part = writer.add("SLICE", [inputs[0], *ends], writer.between(inputs[0], shape=shape))
        constants = [writer.constant(array[rows]) for array in (weights, *bias)]
        made = writer.between(outputs[0], shape=[*tensors[outputs[0]].shape[:-1], len(rows)])
        parts.append(writer.add(
            "CONV_2D", [part, *constants], made, given.fusedActivationFunction,
            padding=given.padding, strideH=given.strideH, strideW=given.strideW,
            dilationHFactor=given.dilationHFactor, dilationWFactor=given.dilationWFactor,
        ))  # fmt: skip
    writer.add("CONCATENATION", parts, outputs[0], axis=3)
    return True


FORMS: dict[str, Form] = {
    "NEG": _neg, "SQUARE": _square, "ELU": _elu, "HARD_SWISH": _hard_swish, "SPLIT": _split,
    "AVERAGE_POOL_2D": _average_pool, "SQUARED_DIFFERENCE": _squared_difference,
    "REVERSE_V2": _reverse, "DIV": _div, "ADD": _affine,
    "RELU": _clipped(Fused.RELU), "RELU6": _clipped(Fused.RELU6),
    "RELU_N1_TO_1": _clipped(Fused.RELU_N1_TO_1),
}  # fmt: skip
FORMS_FOR: dict[str, dict[str, Form]] = {"tflite-runtime": {"CONV_2D": _grouped}}
