"""Operators that treat each element alone; they never move data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.convert.translate.align import elementwise, like
from pipeline.convert.translate.node import Node, rule
from pipeline.convert.translate.value import Value


def sign(x: Any) -> Any:
    """By comparing: int8 has no SIGN."""
    zeros = tf.zeros_like(x)
    return tf.where(x > 0, zeros + 1, tf.where(x < 0, zeros - 1, zeros))


POSITIVE = {
    "Relu": tf.nn.relu, "Sigmoid": tf.sigmoid, "Abs": tf.abs, "Exp": tf.exp,
    "Softplus": tf.math.softplus, "Sqrt": tf.sqrt,
}  # fmt: skip
SIGNED = {
    "Neg": tf.negative, "Log": tf.math.log, "Tanh": tf.tanh, "Floor": tf.floor,
    "Ceil": tf.math.ceil, "Round": tf.round, "Sin": tf.sin, "Cos": tf.cos,
    "Softsign": tf.nn.softsign, "Not": tf.logical_not, "Identity": lambda x: x,
    "Dropout": lambda x: x, "Mish": lambda x: x * tf.tanh(tf.math.softplus(x)),
    "Reciprocal": lambda x: 1.0 / x,
    "HardSwish": lambda x: x * tf.nn.relu6(x + 3.0) * (1 / 6),
    "Sign": sign, "IsNaN": lambda x: tf.not_equal(x, x),
}  # fmt: skip
BINARY = {
    "Add": tf.add, "Sub": tf.subtract, "Mul": tf.multiply, "Div": tf.divide,
    "Equal": tf.equal, "Greater": tf.greater, "Less": tf.less, "GreaterOrEqual": tf.greater_equal,
    "LessOrEqual": tf.less_equal, "And": tf.logical_and, "Or": tf.logical_or,
    "Xor": tf.math.logical_xor,
}  # fmt: skip
KEEPS_SIGN = frozenset({"Add", "Mul", "Div", "Max", "Min", "Mean", "Sum"})
INTEGERS = {1: tf.float32, 10: tf.float32, 11: tf.float32, 6: tf.int32, 7: tf.int32, 9: tf.bool}


@rule(*POSITIVE)
def positive(node: Node) -> Value:
    """Functions whose values are never below zero."""
    value = node.value()
    return like(value, POSITIVE[node.op](value.tensor), nonnegative=True)


@rule(*SIGNED)
def signed(node: Node) -> Value:
    """Functions with values of either sign."""
    value = node.value()
    keeps = value.nonnegative and node.op in ("Identity", "Dropout")
    return like(value, SIGNED[node.op](value.tensor), nonnegative=keeps)


@rule(*BINARY)
def binary(node: Node) -> Value:
    """Two values, broadcast."""
    values = [node.value(0), node.value(1)]
    keeps = node.op in KEEPS_SIGN and all(value.nonnegative for value in values)
    if node.op == "Div" and values[1].is_constant and values[1].array().dtype.kind == "f":
        return elementwise(tf.multiply, values[0], _reciprocal(values[1]), nonnegative=keeps)
    return elementwise(BINARY[node.op], *_same_type(values), nonnegative=keeps)


def _reciprocal(value: Value) -> Value:
    """Int8 has no fast division; by a constant it is a product."""
    with np.errstate(divide="ignore"):
        inverse = 1.0 / value.array().astype(np.float64)
    return Value.constant(inverse.astype(np.float32))


def _same_type(values: list[Value]) -> list[Value]:
    """ONNX counts in int64, TFLite in int32."""
    return [
        Value.constant(v.array().astype(np.int32))
        if v.is_constant and v.array().dtype == np.int64 else v
        for v in values
    ]  # fmt: skip


@rule("Max", "Min", "Sum", "Mean")
def several(node: Node) -> Value:
    """Any number of values."""
    function: Callable[..., Any] = {"Max": tf.maximum, "Min": tf.minimum}.get(node.op, tf.add)
    total, *others = _same_type([node.value(index) for index in range(len(node.inputs))])
    for other in others:
        either = node.op == "Max" and (total.nonnegative or other.nonnegative)
        keeps = either or (total.nonnegative and other.nonnegative)
        total = elementwise(function, total, other, nonnegative=keeps)
    if node.op == "Mean":
        share = Value.number(1 / len(node.inputs))
        return elementwise(tf.multiply, total, share, nonnegative=total.nonnegative)
    return total


@rule("Clip")
def clip(node: Node) -> Value:
    """Bounds as inputs, or as attributes before opset 11; ReLU6 and its like are fused later."""
    value = node.value()
    low, high = (_bound(node, index, name) for index, name in ((1, "min"), (2, "max")))
    x = value.tensor
    if low == 0 and high == 6:
        return like(value, tf.nn.relu6(x), nonnegative=True)
    if low == 0:
        x = tf.nn.relu(x)
    elif low is not None:
        x = tf.maximum(x, tf.cast(low, x.dtype))
    if high is not None:
        x = tf.minimum(x, tf.cast(high, x.dtype))
    return like(value, x, nonnegative=value.nonnegative or (low is not None and low >= 0))


def _bound(node: Node, index: int, name: str) -> float | None:
    bound = node.get(name) if node.optional(index) is None else float(node.constant(index))
    return None if bound is None or abs(bound) > 1e37 else bound


@rule("LeakyRelu")
def leaky_relu(node: Node) -> Value:
    """Slope below zero."""
    value = node.value()
    return like(value, tf.nn.leaky_relu(value.tensor, node.get("alpha", 0.01)))


@rule("PRelu")
def prelu(node: Node) -> Value:
    """max(x, 0) + slope * min(x, 0): TFLite's own PRELU wants a slope of the full rank."""
    value, slope = node.value(), node.value(1)
    above = tf.nn.relu(value.tensor)
    below = elementwise(tf.multiply, like(value, value.tensor - above), slope)
    return elementwise(tf.add, like(value, above), below)


@rule("Elu", "Celu", "Selu")
def elu(node: Node) -> Value:
    """Alpha beside one scales what lies below zero."""
    value, x = node.value(), node.value().tensor
    if node.op == "Selu":
        gamma, alpha = node.get("gamma", 1.0507009873554805), node.get("alpha", 1.6732632423543772)
    else:
        gamma, alpha = 1.0, node.get("alpha", 1.0)
    if alpha == 1 and gamma == 1:
        return like(value, tf.nn.elu(x))
    inner = x / alpha if node.op == "Celu" else x
    below = alpha * tf.nn.elu(inner - tf.nn.relu(inner))
    return like(value, gamma * (tf.nn.relu(x) + below))


@rule("HardSigmoid")
def hard_sigmoid(node: Node) -> Value:
    """clip(alpha x + beta, 0, 1), as a ReLU6 over six where the slopes are torch's."""
    value = node.value()
    alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
    if abs(alpha * 6 - 1) < 1e-6 and abs(beta - 0.5) < 1e-6:
        return like(value, tf.nn.relu6(value.tensor + 3.0) * (1 / 6), nonnegative=True)
    x = tf.minimum(tf.nn.relu(value.tensor * alpha + beta), 1.0)
    return like(value, x, nonnegative=True)


@rule("Gelu")
def gelu(node: Node) -> Value:
    """Exact or by tanh; TFLite has both as one operator."""
    value = node.value()
    tanh = node.get("approximate", "none") == "tanh"
    return like(value, tf.nn.gelu(value.tensor, approximate=tanh))


@rule("Erf")
def erf(node: Node) -> Value:
    """Abramowitz and Stegun 7.1.26, to 1.5e-7: TFLite has none."""
    value = node.value()
    size = tf.abs(value.tensor)
    t = 1.0 / (1.0 + 0.3275911 * size)
    poly = t * 1.061405429 - 1.453152027
    for factor in (1.421413741, -0.284496736, 0.254829592):
        poly = poly * t + factor
    return like(value, sign(value.tensor) * (1.0 - poly * t * tf.exp(-size * size)))


@rule("Pow")
def power(node: Node) -> Value:
    """Small whole exponents and roots as products: int8 has no power."""
    value, exponent = node.value(), node.value(1)
    number = float(exponent.array().ravel()[0]) if _single(exponent) else None
    x = value.tensor
    known: dict[float | None, Callable[[], Any]] = {
        1.0: lambda: x, 2.0: lambda: x * x, 3.0: lambda: x * x * x,
        0.5: lambda: tf.sqrt(x), -0.5: lambda: tf.math.rsqrt(x), -1.0: lambda: 1.0 / x,
    }  # fmt: skip
    if number in known:
        return like(value, known[number](), nonnegative=number in (2.0, 0.5, -0.5))
    return elementwise(tf.pow, value, exponent)


def _single(value: Value) -> bool:
    return value.is_constant and value.array().size == 1


@rule("Where")
def where(node: Node) -> Value:
    """A constant condition and two values."""
    condition, first, second = (node.value(index) for index in range(3))
    return elementwise(tf.where, condition, *_same_type([first, second]))


@rule("Cast", "CastLike")
def cast(node: Node) -> Value:
    """To the type of that kind which TFLite computes in."""
    value = node.value()
    if node.op == "CastLike":
        return value
    kind = INTEGERS.get(node.get("to"))
    if kind is None:
        raise node.refuse(f"casts to ONNX type {node.get('to')}")
    if value.tensor.dtype == kind:
        return value
    if value.tensor.dtype == tf.bool and kind == tf.float32 and not value.is_constant:
        ones = tf.ones(value.tensor.shape)  # a choice has an int8 form, a cast has none
        return like(value, tf.where(value.tensor, ones, ones * 0), nonnegative=True)
    return like(value, tf.cast(value.tensor, kind), nonnegative=value.nonnegative)


@rule("Mod")
def modulo(node: Node) -> Value:
    """With the sign of the divisor, or (fmod) of the dividend."""
    function = _fmod if node.get("fmod") else tf.math.floormod
    return elementwise(function, *_same_type([node.value(0), node.value(1)]))


def _fmod(x: Any, y: Any) -> Any:
    """C's: TFLite knows the other one only."""
    size = tf.math.floormod(tf.abs(x), tf.abs(y))
    return tf.where(x < 0, -size, size)
