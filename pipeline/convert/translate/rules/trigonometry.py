"""Circular and hyperbolic functions that TFLite does not have, by those that it has."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pipeline.convert.translate.align import like
from pipeline.convert.translate.node import Node, rule
from pipeline.convert.translate.value import Value

ATAN = (
    0.0028662257, -0.0161657367, 0.0429096138, -0.0752896400, 0.1065626393, -0.1420889944,
    0.1999355085, -0.3333314528,
)  # fmt: skip
"""Abramowitz and Stegun 4.4.49, to 2e-8 between -1 and 1; of the 16th power down to the square."""


def atan(x: Any) -> Any:
    """Of the smaller one of |x| and 1 / |x|."""
    size = tf.abs(x)
    share = tf.minimum(size, 1.0) / tf.maximum(size, 1.0)
    square, poly = share * share, tf.zeros_like(share)
    for factor in ATAN:
        poly = (poly + factor) * square
    near = share * (1.0 + poly)
    angle = tf.where(size > 1.0, math.pi / 2 - near, near)
    return tf.where(x < 0, -angle, angle)


def asin(x: Any) -> Any:
    """By half the angle: whole up to both ends."""
    return 2.0 * atan(x / (1.0 + tf.sqrt(1.0 - x * x)))


def asinh(x: Any) -> Any:
    """Of |x|: for a negative one the sum under the logarithm would be next to nothing."""
    size = tf.abs(x)
    found = tf.math.log(size + tf.sqrt(size * size + 1.0))
    return tf.where(x < 0, -found, found)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "Atan": atan,
    "Asin": asin,
    "Acos": lambda x: math.pi / 2 - asin(x),
    "Tan": lambda x: tf.sin(x) / tf.cos(x),
    "Sinh": lambda x: (tf.exp(x) - tf.exp(-x)) * 0.5,
    "Cosh": lambda x: (tf.exp(x) + tf.exp(-x)) * 0.5,
    "Asinh": asinh,
    "Acosh": lambda x: tf.math.log(x + tf.sqrt(x * x - 1.0)),
    "Atanh": lambda x: 0.5 * tf.math.log((1.0 + x) / (1.0 - x)),
}


@rule(*FUNCTIONS)
def function(node: Node) -> Value:
    """Each element alone."""
    value = node.value()
    return like(value, FUNCTIONS[node.op](value.tensor))
