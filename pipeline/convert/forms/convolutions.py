"""What becomes a convolution, or several."""

from __future__ import annotations

import math

import numpy as np
from ai_edge_litert import schema_py_generated as schema

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


def average_pool(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
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


def grouped(writer: Writer, inputs: list[int], outputs: list[int], _read: Reads) -> bool:
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


FORMS: dict[str, Form] = {"AVERAGE_POOL_2D": average_pool, "ADD": affine}
FORMS_FOR: dict[str, dict[str, Form]] = {"tflite-runtime": {"CONV_2D": grouped}}
"""For a file that has to serve this runtime alone."""
