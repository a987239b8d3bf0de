"""What becomes a convolution, or several."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from pipeline.convert.flatbuffer import items, operator_name
from pipeline.convert.forms.form import Form, Reads
from pipeline.convert.writer import Fused, Writer

MOST_BIAS = 1000  # times the weight: beyond that it may not fit into 32 bits
LARGEST_WINDOW = 64  # of an average pool that becomes a convolution


def affine(writer: Writer, inputs: list[int], outputs: list[int], read: Reads) -> bool:
    """A factor and a summand a channel, as a norm has them, in one depthwise convolution.

    A channel's only weight is exact in int8, its bias has 32 bits, and what lies between the two
    operators is not rounded: where the summand takes most of the product away, that is all of it.
    """
    product, shape = _product(writer, inputs, read), writer.shape(outputs[0])
    if product is None or len(shape) < 2:
        return False
    sources = [int(i) for i in items(product.inputs)]
    summands, factors = (_constants(writer, each) for each in (inputs, sources))
    given = [i for i in sources if not writer.floats(i).size]
    if not len(summands) == len(factors) == len(given) == 1 or writer.shape(given[0]) != shape:
        return False
    ((bias,), (weights,), (source,)) = summands, factors, given
    if not len(bias) == len(weights) == shape[-1]:
        return False
    if np.abs(bias).max() > MOST_BIAS * np.abs(weights).min():
        return False
    writer.operators = [op for op in writer.operators if op is not product]
    image = shape if len(shape) == 4 else [1, 1, math.prod(shape[:-1]), shape[-1]]
    x = source if image == shape else writer.reshape(source, image)
    made = outputs[0] if image == shape else writer.between(outputs[0], shape=image)
    _depthwise(writer, x, weights.reshape(1, 1, 1, -1), bias, made)
    if made != outputs[0]:
        writer.reshape(made, shape, outputs[0])
    return True


def _product(writer: Writer, inputs: list[int], read: Reads) -> Any:
    """The product without an activation that one of the inputs is, for nobody else."""
    found = next((op for op in reversed(writer.operators) if int(op.outputs[0]) in inputs), None)
    if found is None or operator_name(writer.model, found) != "MUL":
        return None
    plain = found.builtinOptions.fusedActivationFunction == Fused.NONE
    return found if plain and read[int(found.outputs[0])] == 1 else None


def _constants(writer: Writer, inputs: Sequence[int]) -> list[NDArray[np.float32]]:
    return [array for i in inputs if (array := writer.floats(i).ravel()).size]


def _depthwise(
    writer: Writer, x: int, weights: Any, bias: Any, output: int, stride: int = 1
) -> None:  # fmt: skip
    """Weights (1, height, width, channels), without padding, with the activation that was there."""
    constants = [writer.constant(weights), writer.constant(bias)]
    writer.add(
        "DEPTHWISE_CONV_2D", [x, *constants], output, writer.given.fusedActivationFunction,
        padding=schema.Padding.VALID, strideH=stride, strideW=stride, depthMultiplier=1,
        dilationHFactor=1, dilationWFactor=1,
    )  # fmt: skip


def average_pool(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    """A depthwise convolution: no delegate takes the pool, whose output must keep the scale of its
    input, wide as it is. Not where windows reach beyond the edge, and count less there."""
    given, channels = writer.given, writer.shape(inputs[0])[-1]
    height, width = given.filterHeight, given.filterWidth
    inside = given.padding == schema.Padding.VALID
    if not inside or height * width > LARGEST_WINDOW or given.strideH != given.strideW:
        return False
    weights = np.full((1, height, width, channels), 1 / (height * width))
    _depthwise(writer, inputs[0], weights, [0] * channels, outputs[0], given.strideH)
    return True


def grouped(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
    """One convolution a group; where several make one operator slow."""
    whole, given = writer.shape(inputs[0]), writer.given
    weights, *bias = (writer.floats(index) for index in inputs[1:])
    groups = whole[-1] // weights.shape[-1] if weights.size else 1
    if groups < 2:
        return False
    parts = []
    for group, rows in enumerate(np.split(np.arange(len(weights)), groups)):
        shape = [*whole[:-1], weights.shape[-1]]
        start = [0, 0, 0, group * weights.shape[-1]]
        ends = [writer.constant(numbers, np.int32) for numbers in (start, shape)]
        part = writer.add("SLICE", [inputs[0], *ends], writer.between(inputs[0], shape=shape))
        constants = [writer.constant(array[rows]) for array in (weights, *bias)]
        made = writer.between(outputs[0], shape=[*writer.shape(outputs[0])[:-1], len(rows)])
        parts.append(writer.add(
            "CONV_2D", [part, *constants], made, given.fusedActivationFunction,
            padding=given.padding, strideH=given.strideH, strideW=given.strideW,
            dilationHFactor=given.dilationHFactor, dilationWFactor=given.dilationWFactor,
        ))  # fmt: skip
    writer.add("CONCATENATION", parts, outputs[0], axis=3)
    return True


FORMS: dict[str, Form] = {"AVERAGE_POOL_2D": average_pool, "ADD": affine}
FORMS_FOR: dict[str, dict[str, Form]] = {"tflite-runtime": {"CONV_2D": grouped}}
"""For a file that has to serve this runtime alone."""
