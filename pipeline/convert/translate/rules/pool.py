"""Pools, without padding that int8 cannot hold.

TFLite pads a pool like TensorFlow's SAME or not at all. Padding by the lowest float would make the
int8 scale 1e36: ai-edge-litert refuses that file, tflite-runtime 2.14 aborts or answers garbage.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.convert.translate.node import Node, rule
from pipeline.convert.translate.rules.convolution import Window, image, window
from pipeline.convert.translate.rules.reduction import reduced
from pipeline.convert.translate.value import Value, channels_last, from_channels_last, tf_shape


@rule("MaxPool", "AveragePool", "LpPool")
def pool(node: Node) -> Value:
    """In one, two or three dimensions (the third as a pool of its own: windows are products)."""
    value, kernel = node.value(), node.get("kernel_shape")
    if node.op == "LpPool" or len([name for name in node.outputs if name]) > 1:
        raise node.refuse("has no TFLite form (indices, or a p-norm)")
    win = _closed(
        window(node, kernel, value.shape[2:]), value.shape[2:], bool(node.get("ceil_mode"))
    )
    largest = node.op == "MaxPool"
    counts = bool(node.get("count_include_pad")) and not largest
    if len(kernel) == 3:
        return _volume(node, value, win, counts)
    x, inner = image(value)
    y = (
        _largest(node, x, win.flat(), value.nonnegative)
        if largest
        else _mean(x, win.flat(), counts, node, value)
    )
    return from_channels_last(y, inner, len(value.shape), nonnegative=value.nonnegative)


def _closed(win: Window, size: Sequence[int], ceil: bool) -> Window:
    """The window with `after` as what it really reads: floor leaves some unread, ceil adds some."""
    after = []
    for n, k, s, d, before, behind in zip(
        size, win.kernel, win.stride, win.dilation, win.before, win.after, strict=True
    ):
        reach = (k - 1) * d + 1
        room = n + before + behind - reach
        steps = -(-room // s) if ceil else room // s
        if ceil and steps * s >= n + before:
            steps -= 1  # a window must start inside the input or its left padding
        after.append(steps * s + reach - n - before)
    return replace(win, after=tuple(after))


def _cut(x: Any, win: Window) -> tuple[Any, Window]:
    """Without what no window reads (a negative padding behind), where SAME does not hold."""
    size = tf_shape(x)[1:-1]
    kept = [n + min(a, 0) for n, a in zip(size, win.after, strict=True)]
    return x[:, : kept[0], : kept[1]] if kept != size else x, replace(
        win, after=tuple(max(a, 0) for a in win.after)
    )


def _largest(node: Node, x: Any, win: Window, nonnegative: bool) -> Any:
    """A zero never wins over values that are not negative; else the edge is repeated.

    Repeating is exact without dilation: each window that reaches over the edge contains the edge
    element, because padding is at most half the kernel.
    """
    if not any(n > 0 for n in (*win.before, *win.after)):
        return _dilated_max(x, win)
    if win.same(tf_shape(x)[1:-1]) and all(d == 1 for d in win.dilation):
        return tf.nn.max_pool2d(x, win.kernel, win.stride, "SAME")
    x, win = _cut(x, win)
    if nonnegative:
        x = tf.pad(x, [[0, 0], *map(list, zip(win.before, win.after, strict=True)), [0, 0]])
    elif all(d == 1 for d in win.dilation):
        for axis, ends in enumerate(zip(win.before, win.after, strict=True), 1):
            x = repeated_edge(x, axis, *ends)
    else:
        raise node.refuse(
            "a padded, dilated max-pool over values that may be negative has no int8 form: put a"
            " ReLU before it, or use dilation 1"
        )
    return _dilated_max(x, win)


def _dilated_max(x: Any, win: Window) -> Any:
    """The largest of shifted images where the window has gaps, which TFLite's pool has not."""
    if all(d == 1 for d in win.dilation):
        return tf.nn.max_pool2d(x, win.kernel, win.stride, "VALID")
    size = tf_shape(x)[1:-1]
    out = [(n - (k - 1) * d - 1) // s + 1 for n, k, d, s in zip(
        size, win.kernel, win.dilation, win.stride, strict=True)]  # fmt: skip
    best = None
    for at in itertools.product(*(range(k) for k in win.kernel)):
        (top, left), (down, right) = (
            [i * d for i, d in zip(at, win.dilation, strict=True)],
            [(o - 1) * s + 1 for o, s in zip(out, win.stride, strict=True)],
        )
        part = x[:, top : top + down : win.stride[0], left : left + right : win.stride[1]]
        best = part if best is None else tf.maximum(best, part)
    return best


def repeated_edge(x: Any, axis: int, before: int, after: int) -> Any:
    """`x` with its first and last slice along an axis repeated."""
    size = tf_shape(x)[axis]
    parts = [within(x, axis, 0, 1)] * before + [x] + [within(x, axis, size - 1, size)] * after
    return tf.concat(parts, axis) if len(parts) > 1 else x


def within(x: Any, axis: int, start: int, end: int, step: int = 1) -> Any:
    """A part along a TensorFlow axis. (Not by SPLIT_V: TFLite's quantizer leaves that in float.)"""
    return x[(*[slice(None)] * axis, slice(start, end, step))]


def _mean(x: Any, win: Window, counts: bool, node: Node, value: Value) -> Any:
    """Zeros around it count as elements or not; what ceil_mode adds beyond them never does."""
    if any(d != 1 for d in win.dilation):
        raise node.refuse("with dilation")
    size = tf_shape(x)[1:-1]
    if win.same(size) and not (counts and any((*win.before, *win.after))):
        return tf.nn.avg_pool2d(
            x, win.kernel, win.stride, "SAME" if any(win.before + win.after) else "VALID"
        )
    declared = node.get("pads") or [0] * (2 * (len(value.shape) - 2))
    behind = tuple(declared[len(declared) // 2 :])
    behind = (0,) * (2 - len(behind)) + behind
    share = _share(size, win, behind, counts)
    x, win = _cut(x, win)
    if any((*win.before, *win.after)):
        x = tf.pad(x, [[0, 0], *map(list, zip(win.before, win.after, strict=True)), [0, 0]])
    y = tf.nn.avg_pool2d(x, win.kernel, win.stride, "VALID")
    return y if np.all(share == 1) else y * share


def _share(
    size: Sequence[int], win: Window, behind: Sequence[int], counts: bool
) -> NDArray[np.float32]:
    """Kernel elements over counted elements of each window, (1, H, W, 1)."""
    factors = []
    for n, k, s, before, read, declared in zip(
        size, win.kernel, win.stride, win.before, win.after, behind, strict=True
    ):
        out = (n + before + read - k) // s + 1
        low, high = (-before, n + declared) if counts else (0, n)
        starts = np.arange(out) * s - before
        seen = np.minimum(starts + k, high) - np.maximum(starts, low)
        factors.append(k / seen)
    share: NDArray[np.float32] = np.outer(*factors).astype(np.float32)
    return share[None, :, :, None]


def _volume(node: Node, value: Value, win: Window, counts: bool) -> Value:
    """Height and width plane by plane, then the depth."""
    if not counts and node.op == "AveragePool" and any(n > 0 for n in (*win.before, *win.after)):
        raise node.refuse("in three dimensions with padding that is not counted")
    x, inner = channels_last(value)
    batch, depth, *size, width = tf_shape(x)
    plane = Window(*(n[1:] for n in (win.kernel, win.stride, win.dilation, win.before, win.after)))
    line = Window(*((n[0], 1) for n in (win.kernel, win.stride, win.dilation)),
                  *((n[0], 0) for n in (win.before, win.after)))  # fmt: skip

    def once(x: Any, win: Window) -> Any:
        if node.op == "MaxPool":
            return _largest(node, x, win, value.nonnegative)
        x, win = _cut(x, win)
        x = tf.pad(x, [[0, 0], *map(list, zip(win.before, win.after, strict=True)), [0, 0]])
        return tf.nn.avg_pool2d(x, win.kernel, win.stride, "VALID")

    x = once(tf.reshape(x, [batch * depth, *size, width]), plane)
    high, wide = tf_shape(x)[1:3]
    x = once(tf.reshape(x, [batch, depth, high * wide, width]), line)
    y = tf.reshape(x, [batch, tf_shape(x)[1], high, wide, width])
    return from_channels_last(y, inner, nonnegative=value.nonnegative)


@rule("GlobalAveragePool", "GlobalMaxPool")
def global_pool(node: Node) -> Value:
    """Over all of an image, as a reduction."""
    value = node.value()
    function = tf.reduce_mean if node.op == "GlobalAveragePool" else tf.reduce_max
    made = reduced(function, value, range(2, len(value.shape)))
    return replace(made, nonnegative=value.nonnegative)
