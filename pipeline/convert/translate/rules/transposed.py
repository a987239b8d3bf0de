"""Transposed convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.convert.translate.cuts import ACTIVATION
from pipeline.convert.translate.node import Node, rule
from pipeline.convert.translate.rules.convolution import Window, image, window
from pipeline.convert.translate.strides import places
from pipeline.convert.translate.value import Value, channels_last, from_channels_last, tf_shape


@rule("ConvTranspose")
def transposed_convolution(node: Node) -> Value:
    """Weights (in, out / groups, *kernel); computed whole, with bias and activation, which are part
    of TFLite's operator, then cropped by the padding."""
    value, weights, rank = node.value(), node.constant(1), len(node.value().shape)
    extra = tuple(node.get("output_padding") or (0,) * (rank - 2))
    win = _window(node, weights, value.shape[2:], extra)
    if rank == 3:
        weights, win, extra = weights[:, :, None], win.flat(), (0, *extra)
    weights, win = _undilated(_ungrouped(weights, node.get("group", 1)), win)
    x, inner = image(value) if rank < 5 else channels_last(value)
    weights = weights[places(inner)]
    activation = node.get(ACTIVATION)

    def finish(y: Any) -> Any:
        y = y if node.optional(2) is None else tf.nn.bias_add(y, node.constant(2))
        return tf.nn.relu(y) if activation else y

    if rank == 5:
        y = finish(_volume(x, weights, win, extra))
    else:
        y = _cropped(x, weights.transpose(2, 3, 1, 0), win, extra, finish)
    return from_channels_last(y, rank=rank, nonnegative=activation is not None)


def _window(node: Node, weights: np.ndarray, size: Any, extra: tuple[int, ...]) -> Window:
    """Padding that the output loses; `auto_pad` and `output_shape` come from other exporters."""
    win = window(
        Node("", "", [], [], {**node.attributes, "auto_pad": "NOTSET"}), weights.shape[2:], size
    )
    shape = node.get("output_shape")
    auto = node.get("auto_pad", "NOTSET")
    if shape is None and not auto.startswith("SAME"):
        return win
    shape = shape or [n * s for n, s in zip(size, win.stride, strict=True)]
    shape = list(shape)[-len(win.kernel) :]
    full = [(n - 1) * s + (k - 1) * d + 1 + e for n, s, k, d, e in zip(
        size, win.stride, win.kernel, win.dilation, extra, strict=True)]  # fmt: skip
    total = [f - o for f, o in zip(full, shape, strict=True)]
    before = tuple(t - t // 2 if auto == "SAME_LOWER" else t // 2 for t in total)
    after = tuple(t - b for t, b in zip(total, before, strict=True))
    return Window(win.kernel, win.stride, win.dilation, before, after)


def _ungrouped(weights: np.ndarray, groups: int) -> np.ndarray:
    """A kernel over all channels that is zero between groups: TFLite has no grouped form."""
    if groups == 1:
        return weights
    inputs, each = weights.shape[:2]
    full = np.zeros((inputs, each * groups, *weights.shape[2:]), weights.dtype)
    for group, rows in enumerate(np.split(np.arange(inputs), groups)):
        full[rows, group * each : (group + 1) * each] = weights[rows]
    return full


def _undilated(weights: np.ndarray, win: Window) -> tuple[np.ndarray, Window]:
    """The kernel with zeros in its gaps: TFLite's TRANSPOSE_CONV has no dilation."""
    if all(d == 1 for d in win.dilation):
        return weights, win
    size = tuple((k - 1) * d + 1 for k, d in zip(win.kernel, win.dilation, strict=True))
    full = np.zeros((*weights.shape[:2], *size), weights.dtype)
    spread: Any = (..., *(slice(None, None, step) for step in win.dilation))
    full[spread] = weights
    return full, Window(size, win.stride, (1,) * len(size), win.before, win.after)


def _cropped(
    x: Any, kernel: np.ndarray, win: Window, extra: tuple[int, ...],
    finish: Callable[[Any], Any] = lambda y: y,
) -> Any:  # fmt: skip
    """The full output, finished, less the padding on each side; `extra` adds what lies beyond."""
    batch, *size, _ = tf_shape(x)
    out = kernel.shape[2]
    full = [(n - 1) * s + k for n, s, k in zip(size, win.stride, win.kernel, strict=True)]
    same = [n * s for n, s in zip(size, win.stride, strict=True)]
    wanted = [f - b - a + e for f, b, a, e in zip(full, win.before, win.after, extra, strict=True)]
    if wanted == same and all(
        b == max(k - s, 0) // 2 for k, s, b in zip(win.kernel, win.stride, win.before, strict=True)
    ) and all(k >= s for k, s in zip(win.kernel, win.stride, strict=True)):  # fmt: skip
        return finish(tf.nn.conv2d_transpose(x, kernel, [batch, *wanted, out], win.stride, "SAME"))
    y = tf.nn.conv2d_transpose(x, kernel, [batch, *full, out], win.stride, "VALID")
    missing = [max(b + w - f, 0) for b, w, f in zip(win.before, wanted, full, strict=True)]
    if any(missing):
        y = tf.pad(y, [[0, 0], *([0, m] for m in missing), [0, 0]])
    y = finish(y)
    if tf_shape(y)[1:-1] == wanted:
        return y
    (top, left), (height, width) = win.before, wanted
    return y[:, top : top + height, left : left + width, :]


def _volume(x: Any, weights: np.ndarray, win: Window, extra: tuple[int, ...]) -> Any:
    """(N, D, H, W, C): the planes of the kernel as images, summed where they meet.

    Plane k of slice d falls on slice stride x d + k: the outputs of each remainder by the stride
    are a sum of shifted planes, and take turns.
    """
    batch, depth, *size, width = tf_shape(x)
    flat = Window(*(n[1:] for n in (win.kernel, win.stride, win.dilation, win.before, win.after)))
    image = tf.reshape(x, [batch * depth, *size, width])
    kernels = weights.transpose(2, 3, 4, 1, 0)
    planes = [_cropped(image, kernel, flat, extra[1:]) for kernel in kernels]
    made = tf_shape(planes[0])[1:]
    planes = [tf.reshape(plane, [batch, depth, math.prod(made)]) for plane in planes]
    stride, shifts = win.stride[0], -(-len(planes) // win.stride[0])
    turns = [_shifted(planes[turn::stride], shifts, planes[0]) for turn in range(stride)]
    y = tf.reshape(tf.stack(turns, 2), [batch, stride * (depth + shifts - 1), *made])
    end = (depth - 1) * stride + len(planes) - win.after[0] + extra[0]
    if (missing := end - tf_shape(y)[1]) > 0:
        y = tf.pad(y, [[0, 0], [0, missing], [0, 0], [0, 0], [0, 0]])
    return y[:, win.before[0] : end]


def _shifted(planes: list[Any], shifts: int, like: Any) -> Any:
    """The sum of planes, each one slice further on; (N, D + shifts - 1, elements of a slice)."""
    parts = [tf.pad(p, [[0, 0], [i, shifts - 1 - i], [0, 0]]) for i, p in enumerate(planes)]
    return reduce(tf.add, parts or [tf.pad(like * 0, [[0, 0], [0, shifts - 1], [0, 0]])])
