"""Normalisations and softmax."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import tensorflow as tf

from pipeline.convert.translate.align import elementwise, like
from pipeline.convert.translate.node import Node, axis_of, rule
from pipeline.convert.translate.rules.linear import contracted
from pipeline.convert.translate.rules.reduction import reduced
from pipeline.convert.translate.value import Value, last, rows

LEAST_POWER = 1e-24  # a vector of zeros stays one


@rule("Softmax", "LogSoftmax")
def softmax(node: Node) -> Value:
    """Over an axis that is innermost in memory (TFLite has no other)."""
    value = node.value()
    axis = axis_of(node.get("axis", -1), len(value.shape))
    value, _ = last(value, {axis})
    x = rows(value, value.shape[axis])
    function = tf.nn.softmax if node.op == "Softmax" else tf.nn.log_softmax
    return like(value, function(x), nonnegative=node.op == "Softmax")


@rule("BatchNormalization")
def batch_norm(node: Node) -> Value:
    """What could not be folded into a convolution: a factor and a summand for each channel."""
    value = node.value()
    scale, shift, mean, variance = (node.constant(i).astype(np.float64) for i in range(1, 5))
    factor = scale / np.sqrt(variance + node.get("epsilon", 1e-5))
    return affine(value, factor, shift - mean * factor)


def affine(value: Value, factor: np.ndarray, summand: np.ndarray) -> Value:
    """factor x + summand along axis 1."""
    shape = [1, -1, *[1] * (len(value.shape) - 2)]
    first, second = (Value.constant(a.astype(np.float32).reshape(shape)) for a in (factor, summand))
    return elementwise(tf.add, elementwise(tf.multiply, value, first), second)


def standardised(value: Value, axes: Sequence[int], epsilon: float) -> Value:
    """Mean 0 and variance 1 over axes."""
    mean = reduced(tf.reduce_mean, value, axes)
    centred = elementwise(tf.subtract, value, mean)
    variance = reduced(tf.reduce_mean, like(centred, tf.square(centred.tensor)), axes)
    inverse = like(variance, tf.math.rsqrt(variance.tensor + epsilon))
    return elementwise(tf.multiply, centred, inverse)


@rule("LayerNormalization")
def layer_norm(node: Node) -> Value:
    """Over the axes from `axis` on."""
    value = node.value()
    first = axis_of(node.get("axis", -1), len(value.shape))
    made = standardised(value, range(first, len(value.shape)), node.get("epsilon", 1e-5))
    made = elementwise(tf.multiply, made, node.value(1))
    return elementwise(tf.add, made, node.value(2)) if node.optional(2) else made


@rule("RMSNormalization")
def rms_norm(node: Node) -> Value:
    """Over the axes from `axis` on, without taking the mean off."""
    value = node.value()
    first = axis_of(node.get("axis", -1), len(value.shape))
    power = reduced(
        tf.reduce_mean, like(value, value.tensor * value.tensor), range(first, len(value.shape))
    )
    inverse = like(power, tf.math.rsqrt(power.tensor + node.get("epsilon", 1e-5)))
    return elementwise(tf.multiply, elementwise(tf.multiply, value, inverse), node.value(1))


@rule("InstanceNormalization")
def instance_norm(node: Node) -> Value:
    """Over the image, each channel for itself."""
    value = node.value()
    made = standardised(value, range(2, len(value.shape)), node.get("epsilon", 1e-5))
    return affine(made, node.constant(1), node.constant(2))


@rule("GroupNormalization")
def group_norm(node: Node) -> Value:
    """Over the image and the channels of each group."""
    value, groups = node.value(), node.get("num_groups")
    n, c, *size = value.shape
    cut = value.reshaped([n, groups, c // groups, *size])
    made = standardised(cut, range(2, len(cut.shape)), node.get("epsilon", 1e-5))
    factor, summand = node.constant(1), node.constant(2)
    if len(factor) == groups:
        factor, summand = (np.repeat(a, c // groups) for a in (factor, summand))
    return affine(made.reshaped(value.shape), factor, summand)


@rule("LpNormalization")
def lp_norm(node: Node) -> Value:
    """Divided by the norm along an axis."""
    value, order = node.value(), node.get("p", 2)
    axis = axis_of(node.get("axis", -1), len(value.shape))
    if order == 1:
        size = reduced(tf.reduce_sum, like(value, tf.abs(value.tensor)), [axis])
        return elementwise(tf.divide, value, size)
    power = reduced(tf.reduce_sum, like(value, value.tensor * value.tensor), [axis])
    inverse = tf.math.rsqrt(tf.maximum(power.tensor, LEAST_POWER))
    return elementwise(tf.multiply, value, like(power, inverse))


@rule("LRN")
def local_response(node: Node) -> Value:
    """Divided by a power of the squares of the channels around it (AlexNet)."""
    value, size = node.value(), node.get("size")
    channels = value.shape[1]
    at = np.arange(channels)
    near = at[:, None] - at
    band = (near <= (size - 1) // 2) & (near >= -math.ceil((size - 1) / 2))
    weights = (band * node.get("alpha", 1e-4) / size).T.astype(np.float32)
    bias = np.full(channels, node.get("bias", 1.0), np.float32)
    power = contracted(like(value, value.tensor * value.tensor), 1, weights, bias)
    return elementwise(
        tf.multiply, value, like(power, tf.pow(power.tensor, -node.get("beta", 0.75)))
    )


@rule("MeanVarianceNormalization")
def mean_variance(node: Node) -> Value:
    """Over the axes given."""
    value = node.value()
    return replace(standardised(value, node.get("axes", [0, 2, 3]), 1e-9), nonnegative=False)
