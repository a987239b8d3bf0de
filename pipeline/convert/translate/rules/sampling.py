"""Columns put back into an image, and an image read at given places."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.convert.translate.node import Node, Result, rule
from pipeline.convert.translate.rules.transposed import transposed_convolution
from pipeline.convert.translate.value import Value, channels_last, from_channels_last, tf_shape

Floats = NDArray[np.float64]


@rule("Col2Im")
def columns_to_image(node: Node) -> Result:
    """The sum of overlapping blocks: a transposed convolution that gives each place its own."""
    value, size, block = node.value(), node.numbers(1) or [], node.numbers(2) or []
    if len(size) != 2:
        raise node.refuse("in other than two dimensions")
    stride, dilation = (list(node.get(name) or [1, 1]) for name in ("strides", "dilations"))
    pads = list(node.get("pads") or [0] * 4)
    count = [
        (n + pads[i] + pads[i + 2] - dilation[i] * (block[i] - 1) - 1) // stride[i] + 1
        for i, n in enumerate(size)
    ]
    places = block[0] * block[1]
    channels = value.shape[1] // places
    weights = np.zeros((channels * places, channels, *block), np.float32)
    for index in range(channels * places):
        channel, place = divmod(index, places)
        weights[index, channel, place // block[1], place % block[1]] = 1
    full = [(c - 1) * s + d * (b - 1) + 1 for c, s, d, b in zip(
        count, stride, dilation, block, strict=True)]  # fmt: skip
    extra = [size[i] + pads[i] + pads[i + 2] - full[i] for i in range(2)]
    blocks = value.reshaped([value.shape[0], value.shape[1], *count])
    return transposed_convolution(Node(
        "ConvTranspose", node.name, [blocks, Value.constant(weights)], node.outputs,
        {"strides": stride, "dilations": dilation, "pads": pads, "output_padding": extra},
        node.source,
    ))  # fmt: skip


@rule("GridSample")
def grid_sample(node: Node) -> Value:
    """At places that are known now: a weighted sum of four look-ups, or one for the nearest."""
    value, grid = node.value(), node.constant(1).astype(np.float64)
    mode = node.get("mode", "linear")
    if (
        len(value.shape) != 4
        or value.shape[0] != 1
        or mode not in ("linear", "bilinear", "nearest")
    ):
        raise node.refuse(f"of a batch, a volume or in mode {mode}")
    x, inner = channels_last(value)
    _, height, width, channels = tf_shape(x)
    flat = tf.reshape(x, [height * width, channels])
    total = None
    for rows, columns, shares in _corners(node, grid[0], height, width, mode):
        found = tf.gather(flat, (rows * width + columns).ravel().astype(np.int32))
        if (shares != 1).any():
            found = found * shares.reshape(-1, 1).astype(np.float32)
        total = found if total is None else total + found
    made = tf.reshape(total, [1, *grid.shape[1:3], channels])
    return from_channels_last(made, inner)


def _corners(
    node: Node, grid: Floats, height: int, width: int, mode: str
) -> list[tuple[Any, Any, Floats]]:
    """(rows, columns, weights) of what each place reads; what lies outside weighs nothing."""
    corners, padding = node.get("align_corners", 0), node.get("padding_mode", "zeros")
    x, y = (
        _unit(grid[..., axis], size, bool(corners), padding)
        for axis, size in ((0, width), (1, height))
    )
    found = []
    steps = [(0, 0)] if mode == "nearest" else itertools.product((0, 1), (0, 1))
    for down, right in steps:
        if mode == "nearest":
            row, column, share = np.round(y), np.round(x), np.ones_like(x)
        else:
            row, column = np.floor(y) + down, np.floor(x) + right
            share = (1 - np.abs(y - row)) * (1 - np.abs(x - column))
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        rows, columns = row.clip(0, height - 1), column.clip(0, width - 1)
        found.append((rows.astype(int), columns.astype(int), share * inside))
    return found


def _unit(place: Floats, size: int, corners: bool, padding: str) -> Floats:
    """From -1 ... 1 to elements, as ONNX has it."""
    at = (place + 1) / 2 * (size - 1) if corners else ((place + 1) * size - 1) / 2
    if padding == "border":
        return at.clip(0, size - 1)
    if padding == "reflection":
        low, high = (0.0, size - 1.0) if corners else (-0.5, size - 0.5)
        span = max(high - low, 1e-9)
        turned = np.abs((at - low) % (2 * span))
        return (np.where(turned > span, 2 * span - turned, turned) + low).clip(0, size - 1)
    return at
