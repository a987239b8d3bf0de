"""Products with matrices. A constant matrix takes the order its input lies in; nothing is moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.convert.translate.align import elementwise
from pipeline.convert.translate.node import Node, rule
from pipeline.convert.translate.strides import Layout, Piece, places, whole
from pipeline.convert.translate.value import Value, last, moved, rows, shaped, tf_shape


def contracted(value: Value, axis: int, weights: np.ndarray, bias: np.ndarray | None) -> Value:
    """`value` with `axis` (length k) replaced by its product with `weights` (k, n), plus `bias`.

    A 1x1 convolution where the tensor is an image already, else a fully connected layer.
    """
    value, inner = last(value, {axis})
    weights = weights[places(inner)]
    x = rows(value, len(weights))
    if len(x.shape) == 4:
        y = tf.nn.conv2d(x, weights[None, None], 1, "VALID")
    else:
        flat = shaped(x, [math.prod(tf_shape(x)) // len(weights), len(weights)])
        y = tf.matmul(flat, weights)
    if bias is not None:
        y = tf.nn.bias_add(y, bias)
    pieces = value.layout.pieces()
    assert pieces is not None
    shape = list(value.shape)
    shape[axis] = weights.shape[1]
    kept = [p for p in pieces if p.axis != axis]
    return Value(y, Layout.of(shape, [*kept, *whole(shape, axis)]))


@rule("Gemm")
def gemm(node: Node) -> Value:
    """alpha A B + beta C."""
    a = node.value(0)
    a = a.permuted([1, 0]) if node.get("transA") else a
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    if not node.value(1).is_constant:
        b = node.value(1)
        product = matmul(a, b.permuted([1, 0]) if node.get("transB") else b)
        product = elementwise(tf.multiply, product, Value.number(alpha))
        return elementwise(tf.add, product, node.value(2)) if node.optional(2) else product
    weights = node.constant(1)
    weights = (weights.T if node.get("transB") else weights) * np.float32(alpha)
    bias = node.optional(2)
    if bias is not None and bias.is_constant and bias.array().size in (1, weights.shape[1]):
        flat = np.broadcast_to(bias.array().ravel() * np.float32(beta), weights.shape[1:])
        return contracted(a, 1, weights, flat)
    product = contracted(a, 1, weights, None)
    return product if bias is None else elementwise(tf.add, product, bias)


@rule("MatMul")
def matrix_product(node: Node) -> Value:
    """As NumPy's matmul."""
    a, b = node.value(0), node.value(1)
    if len(b.shape) == 1 or len(a.shape) == 1:
        return _with_vector(a, b)
    rank = len(a.shape)
    if b.is_constant and math.prod(b.shape[:-2]) == 1 and len(b.shape) <= rank:
        return contracted(a, rank - 1, b.array().reshape(b.shape[-2:]), None)
    if a.is_constant and math.prod(a.shape[:-2]) == 1 and rank <= len(b.shape):
        return contracted(b, len(b.shape) - 2, a.array().reshape(a.shape[-2:]).T, None)
    return matmul(a, b)


def _with_vector(a: Value, b: Value) -> Value:
    first = a.reshaped((1, *a.shape)) if len(a.shape) == 1 else a
    second = b.reshaped((*b.shape, 1)) if len(b.shape) == 1 else b
    shape = np.empty(a.shape + (() if len(a.shape) > 1 else (1,)), bool).shape
    product = (
        contracted(first, len(first.shape) - 1, second.array().reshape(-1, 1), None)
        if second.is_constant and len(b.shape) == 1
        else matmul(first, second)
    )
    shape = product.shape[:-1] if len(b.shape) == 1 else product.shape
    return product.reshaped(shape[:-1] if len(a.shape) == 1 and len(b.shape) == 1 else shape)


def matmul(a: Value, b: Value) -> Value:
    """A product over the batch axes; a matrix that lies transposed stays so and is read so."""
    rank = max(len(a.shape), len(b.shape))
    a, b = (v.reshaped((1,) * (rank - len(v.shape)) + v.shape) for v in (a, b))
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    left, a_swapped, a_pieces = _operand(a, batch)
    right, b_swapped, b_pieces = _operand(b, batch)
    product = tf.matmul(left, right, transpose_a=a_swapped, transpose_b=b_swapped)
    shape = [*batch, a.shape[-2], b.shape[-1]]
    outer = [p for axis in range(rank - 2) for p in whole(shape, axis)]
    own = [p for p in a_pieces if p.axis == rank - 2] + [p for p in b_pieces if p.axis == rank - 1]
    return Value(product, Layout.of(shape, [*outer, *own]))


def _operand(value: Value, batch: Sequence[int]) -> tuple[Any, bool, list[Piece]]:
    """A rank 3 tensor (batch, rows, columns), whether these lie swapped, and their pieces.

    Batch axes and both matrix axes are natural, so that the other operand's contraction fits.
    """
    rank = len(value.shape)
    value = _repeated(value, batch)
    value, pieces = value.pieces()
    outer = [p for axis in range(rank - 2) for p in _natural(pieces, axis)]
    matrix = [_natural(pieces, rank - 2), _natural(pieces, rank - 1)]
    wanted = [[*outer, *matrix[0], *matrix[1]], [*outer, *matrix[1], *matrix[0]]]
    swapped = pieces == wanted[1] and pieces != wanted[0]
    value = moved(value, pieces, wanted[swapped])
    sizes = [value.shape[-1], value.shape[-2]] if swapped else list(value.shape[-2:])
    tensor = shaped(value.tensor, [math.prod(batch), *sizes])
    return tensor, swapped, wanted[swapped]


def _natural(pieces: Sequence[Piece], axis: int) -> list[Piece]:
    return sorted((p for p in pieces if p.axis == axis), key=lambda p: -p.stride)


def _repeated(value: Value, batch: Sequence[int]) -> Value:
    if tuple(value.shape[:-2]) == tuple(batch):
        return value
    return elementwise(tf.add, value, Value.constant(np.zeros((*batch, 1, 1), np.float32)))


@rule("Einsum")
def einsum(node: Node) -> Value:
    """Two operands with letters: what is shared and kept is the batch, what is lost contracted."""
    terms, _, result = node.get("equation").replace(" ", "").partition("->")
    names = terms.split(",")
    if "." in terms or not result or len(names) != 2 or any(len(set(n)) < len(n) for n in names):
        raise node.refuse(f"of the form {node.get('equation')}")
    first, second = names
    batch = [x for x in first if x in second and x in result]
    inner = [x for x in first if x in second and x not in result]
    left, right = ([x for x in term if x not in batch + inner] for term in names)
    if set(left + right + batch) != set(result):
        raise node.refuse(f"of the form {node.get('equation')}")
    sizes = {
        x: n
        for t, i in ((first, 0), (second, 1))
        for x, n in zip(t, node.value(i).shape, strict=True)
    }
    count = [math.prod(sizes[x] for x in group) for group in (left, inner, right)]
    outer = [sizes[x] for x in batch]
    a = node.value(0).permuted([first.index(x) for x in batch + left + inner])
    b = node.value(1).permuted([second.index(x) for x in batch + inner + right])
    product = _pair(
        a.reshaped([*outer, count[0], count[1]]), b.reshaped([*outer, count[1], count[2]])
    )
    order = batch + left + right
    whole_shape = product.reshaped([sizes[x] for x in order])
    return whole_shape.permuted([order.index(x) for x in result])


def _pair(a: Value, b: Value) -> Value:
    if b.is_constant and math.prod(b.shape[:-2]) == 1:
        return contracted(a, len(a.shape) - 1, b.array().reshape(b.shape[-2:]), None)
    if a.is_constant and math.prod(a.shape[:-2]) == 1:
        return contracted(b, len(b.shape) - 2, a.array().reshape(a.shape[-2:]).T, None)
    return matmul(a, b)
