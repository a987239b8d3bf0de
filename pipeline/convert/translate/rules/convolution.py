"""Convolutions in one, two and three dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.convert.translate.node import Node, rule
from pipeline.convert.translate.rules.linear import contracted
from pipeline.convert.translate.strides import Piece, places
from pipeline.convert.translate.value import (
    Value,
    arranged,
    channels_last,
    from_channels_last,
    last,
    shaped,
    tf_shape,
)


@dataclass(frozen=True)
class Window:
    """Kernel, strides, dilations, and padding before and after, one number a spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def trivial(self) -> bool:
        """It sees one element and steps over none."""
        ones = all(number == 1 for number in (*self.kernel, *self.stride))
        return ones and not any(self.before) and not any(self.after)

    def same(self, size: Sequence[int]) -> bool:
        """Whether its padding is what TensorFlow calls SAME for an input of that size."""
        return all(
            (left, right) == _same(n, k, s, d)
            for n, k, s, d, left, right in zip(
                size, self.kernel, self.stride, self.dilation, self.before, self.after, strict=True
            )
        )

    def flat(self) -> Window:
        """In two dimensions: one more in front for signals."""
        if len(self.kernel) > 1:
            return self
        return Window(
            (1, *self.kernel), (1, *self.stride), (1, *self.dilation), (0, *self.before),
            (0, *self.after),
        )  # fmt: skip


def _same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    out = -(-size // stride)
    total = max((out - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def window(node: Node, kernel: Sequence[int], size: Sequence[int]) -> Window:
    """Read a node's attributes."""
    rank = len(kernel)
    stride = tuple(node.get("strides") or (1,) * rank)
    dilation = tuple(node.get("dilations") or (1,) * rank)
    pads = tuple(node.get("pads") or (0,) * (2 * rank))
    auto = node.get("auto_pad", "NOTSET")
    if auto.startswith("SAME"):
        pairs = [_same(*each) for each in zip(size, kernel, stride, dilation, strict=True)]
        pairs = [p[::-1] if auto == "SAME_LOWER" else p for p in pairs]
        pads = tuple(p[0] for p in pairs) + tuple(p[1] for p in pairs)
    elif auto == "VALID":
        pads = (0,) * (2 * rank)
    return Window(tuple(kernel), stride, dilation, pads[:rank], pads[rank:])


def image(value: Value) -> tuple[Any, list[Piece]]:
    """(N, C, L) or (N, C, H, W) as a tensor (N, H, W, C), and how the channels lie in it."""
    tensor, inner = channels_last(value)
    shape = [value.shape[0], *value.shape[2:], value.shape[1]]
    return (
        (shaped(tensor, [shape[0], 1, *shape[1:]]), inner) if len(shape) == 3 else (tensor, inner)
    )


def padded(x: Any, win: Window) -> tuple[Any, str]:
    """The image with the window's zeros around it, and the padding left for the operator."""
    if win.same(tf_shape(x)[1:-1]):
        total = any(win.before) or any(win.after)
        return x, "SAME" if total else "VALID"
    pads = [[0, 0], *([a, b] for a, b in zip(win.before, win.after, strict=True)), [0, 0]]
    return tf.pad(x, pads), "VALID"


@rule("Conv")
def convolution(node: Node) -> Value:
    """Weights (out, in / groups, *kernel); depthwise keeps the order its channels lie in."""
    value, weights = node.value(), node.constant(1)
    bias = node.constant(2) if node.optional(2) is not None else None
    groups, rank = node.get("group", 1), len(value.shape)
    win = window(node, weights.shape[2:], value.shape[2:])
    if groups == 1 and win.trivial:
        return contracted(_as_image(value), 1, weights.reshape(weights.shape[:2]).T, bias)
    if rank == 5:
        return _volume(node, value, weights, bias, win)
    if rank == 3:
        weights = weights[:, :, None]
    if groups == value.shape[1] and groups > 1:
        return _depthwise(value, weights, bias, win.flat())
    if groups > 1:
        value = arranged(value, [0, *range(2, rank), 1])
    x, inner = image(value)
    y = _convolved(x, weights[:, places(inner)] if groups == 1 else weights, win.flat())
    return from_channels_last(_biased(y, bias), rank=rank)


def _as_image(value: Value) -> Value:
    """With four TensorFlow axes, so that it stays a convolution: int8 weights a scale a channel."""
    value, _ = last(value, {1})
    if len(value.tensor.shape) == 4 and value.tensor.shape[-1] == value.shape[1]:
        return value
    sizes = [value.shape[axis] for axis in range(len(value.shape)) if axis != 1]
    shape = [1] * (3 - len(sizes)) + sizes[-3:] if len(sizes) < 4 else [1, 1, math.prod(sizes)]
    return replace(value, tensor=shaped(value.tensor, [*shape, value.shape[1]]))


def _convolved(x: Any, weights: np.ndarray, win: Window) -> Any:
    """Weights (out, in / groups, *kernel): the operator tells the groups by their length."""
    x, padding = padded(x, win)
    kernel = weights.transpose(2, 3, 1, 0)
    return tf.nn.conv2d(x, kernel, win.stride, padding, dilations=win.dilation)


def _biased(y: Any, bias: np.ndarray | None) -> Any:
    return y if bias is None else tf.nn.bias_add(y, bias)


def _depthwise(value: Value, weights: np.ndarray, bias: np.ndarray | None, win: Window) -> Value:
    """TensorFlow's strides must be equal: the larger one, then every n-th of what is too much."""
    rank = len(value.shape)
    x, inner = image(value)
    x, padding = padded(x, win)
    each = weights.shape[0] // value.shape[1]
    index = places(inner)
    kernel = weights.reshape(len(index), each, *weights.shape[2:])[index].transpose(2, 3, 0, 1)
    if win.stride[0] != win.stride[1] or (max(win.stride) > 1 and max(win.dilation) > 1):
        x, padding = _unsame(x, padding, win)
        y = tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "VALID", dilations=win.dilation)
        y = y[:, :: win.stride[0], :: win.stride[1], :]
    else:
        strides = [1, *win.stride, 1]
        y = tf.nn.depthwise_conv2d(x, kernel, strides, padding, dilations=win.dilation)
    if bias is not None:
        bias = bias.reshape(len(index), each)[index].ravel()
    own = [Piece(1, p.size, p.stride * each) for p in inner]
    own += [Piece(1, each, 1)] if each > 1 else []
    return from_channels_last(_biased(y, bias), own, rank)


def _unsame(x: Any, padding: str, win: Window) -> tuple[Any, str]:
    if padding == "VALID":
        return x, padding
    pads = [[0, 0], *([a, b] for a, b in zip(win.before, win.after, strict=True)), [0, 0]]
    return tf.pad(x, pads), "VALID"


def _volume(
    node: Node, value: Value, weights: np.ndarray, bias: np.ndarray | None, win: Window
) -> Value:
    """A sum of image convolutions, one a plane of the kernel: TFLite's CONV_3D has no int8."""
    if node.get("group", 1) != 1:
        groups = node.get("group")
        return _grouped_volume(value, weights, bias, win, groups)
    x, inner = channels_last(value)
    batch, depth, *size, width = tf_shape(x)
    pads = [[0, 0], [win.before[0], win.after[0]], [0, 0], [0, 0], [0, 0]]
    if any(pads[1]):
        x = tf.pad(x, pads)
    planes = depth + sum(pads[1])
    out = (planes - (win.kernel[0] - 1) * win.dilation[0] - 1) // win.stride[0] + 1
    flat = Window(*(n[1:] for n in (win.kernel, win.stride, win.dilation, win.before, win.after)))
    total = None
    for plane in range(win.kernel[0]):
        start = plane * win.dilation[0]
        part = x[:, start : start + (out - 1) * win.stride[0] + 1 : win.stride[0]]
        part = tf.reshape(part, [batch * out, *size, width])
        y = _convolved(part, weights[:, places(inner), plane], flat)
        total = y if total is None else total + y
    y = _biased(total, bias)
    return from_channels_last(tf.reshape(y, [batch, out, *tf_shape(y)[1:]]), rank=5)


def _grouped_volume(
    value: Value, weights: np.ndarray, bias: np.ndarray | None, win: Window, groups: int
) -> Value:
    """The same with a kernel that is zero between groups."""
    out, each = weights.shape[:2]
    full = np.zeros((out, each * groups, *weights.shape[2:]), weights.dtype)
    for group, rows in enumerate(np.split(np.arange(out), groups)):
        full[rows, group * each : (group + 1) * each] = weights[rows]
    node = Node("Conv", "", [value], [], {})
    return _volume(node, value, full, bias, win)
