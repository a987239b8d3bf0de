"""Changes of an image's size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.convert.translate.node import Node, rule
from pipeline.convert.translate.rules.convolution import image
from pipeline.convert.translate.rules.linear import contracted
from pipeline.convert.translate.value import Value, from_channels_last


@rule("Resize", "Upsample")
def resize(node: Node) -> Value:
    """TFLite's own operators where they do the same, else a matrix along each axis."""
    value = node.value()
    sizes, scales = _sizes(node, value.shape)
    changed = [axis for axis in range(len(sizes)) if sizes[axis] != value.shape[axis]]
    if not changed:
        return value
    made = (
        _native(node, value, sizes, scales) if min(changed) > 1 and len(sizes) in (3, 4) else None
    )
    if made is not None:
        return made
    for axis in changed:
        matrix = _matrix(node, value.shape[axis], sizes[axis], scales[axis])
        value = contracted(value, axis, matrix.astype(np.float32), None)
    return value


def _sizes(node: Node, shape: Sequence[int]) -> tuple[list[int], list[float]]:
    """The size of the result, and its scale as given: sizes may be rounded."""
    wanted = node.numbers(3) if len(node.inputs) > 3 and node.optional(3) else None
    axes = node.get("axes") or range(len(shape))
    if wanted is not None:
        full = list(shape)
        for axis, size in zip(axes, wanted, strict=True):
            full[axis] = size
        return full, [size / n for size, n in zip(full, shape, strict=True)]
    at = 1 if node.op == "Upsample" else 2
    given = node.constant(at).ravel() if node.optional(at) else np.asarray(node.get("scales"))
    scales = [1.0] * len(shape)
    for axis, scale in zip(axes, given, strict=True):
        scales[axis] = float(scale)
    sizes = np.floor(np.asarray(shape, np.float32) * np.asarray(scales, np.float32))
    return [int(size) for size in sizes], scales


def _native(
    node: Node, value: Value, sizes: Sequence[int], scales: Sequence[float]
) -> Value | None:
    mode, where = _mode(node), _where(node)
    exact = all(abs(s * n - m) < 1e-3 for n, m, s in zip(value.shape, sizes, scales, strict=True))
    whole_factor = all(m % n == 0 for n, m in zip(value.shape[2:], sizes[2:], strict=True))
    target = [1] * (4 - len(sizes)) + list(sizes[2:])
    if mode == "nearest" and exact and (
        whole_factor or (where == "asymmetric" and node.get("nearest_mode") == "floor")
    ) and where != "align_corners":  # fmt: skip
        function: Any = tf.raw_ops.ResizeNearestNeighbor
        options = {"align_corners": False, "half_pixel_centers": False}
    elif mode == "linear" and exact and not node.get("antialias"):
        function = tf.raw_ops.ResizeBilinear
        if where not in ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"):
            return None
        if where == "pytorch_half_pixel" and 1 in sizes[2:]:
            return None
        corners = where == "align_corners"
        options = {"align_corners": corners, "half_pixel_centers": where.endswith("half_pixel")}
    else:
        return None
    x, inner = image(value)
    y = function(images=x, size=target, **options)
    return from_channels_last(y, inner, len(value.shape), nonnegative=value.nonnegative)


def _mode(node: Node) -> str:
    mode = str(node.get("mode", "nearest"))
    return {"bilinear": "linear"}.get(mode, mode)


def _where(node: Node) -> str:
    default = "asymmetric" if node.op == "Upsample" else "half_pixel"
    return str(node.get("coordinate_transformation_mode", default))


def _matrix(node: Node, size: int, out: int, scale: float) -> NDArray[np.float64]:
    """(size, out): each column the weights of one element of the result (ONNX Resize)."""
    mode, at = _mode(node), _positions(node, size, out, scale)
    matrix = np.zeros((size, out))
    if mode == "nearest":
        source = np.clip(_rounded(at, node.get("nearest_mode", "round_prefer_floor")), 0, size - 1)
        matrix[source.astype(int), np.arange(out)] = 1
        return matrix
    stretch = max(1.0, 1 / scale) if node.get("antialias") else 1.0
    reach = (2 if mode == "cubic" else 1) * stretch
    for column, position in enumerate(at):
        places = np.arange(math.floor(position - reach), math.ceil(position + reach) + 1)
        weights = _kernel(mode, (places - position) / stretch, node.get("cubic_coeff_a", -0.75))
        if node.get("exclude_outside"):
            weights = weights * ((places >= 0) & (places < size))
        np.add.at(matrix[:, column], np.clip(places, 0, size - 1), weights / weights.sum())
    return matrix


def _positions(node: Node, size: int, out: int, scale: float) -> NDArray[np.float64]:
    x, where = np.arange(out, dtype=np.float64), _where(node)
    if where == "asymmetric":
        return x / scale
    if where == "align_corners":
        return x * (size - 1) / max(out - 1, 1)
    if where == "pytorch_half_pixel" and out == 1:
        return x * 0
    if where not in ("half_pixel", "pytorch_half_pixel"):
        raise node.refuse(f"with coordinates {where}")
    return (x + 0.5) / scale - 0.5


def _rounded(at: NDArray[np.float64], mode: str) -> NDArray[np.float64]:
    rounded: NDArray[np.float64] = {
        "floor": lambda: np.floor(at), "ceil": lambda: np.ceil(at),
        "round_prefer_floor": lambda: np.ceil(at - 0.5),
        "round_prefer_ceil": lambda: np.floor(at + 0.5),
    }[mode]()  # fmt: skip
    return rounded


def _kernel(mode: str, distance: NDArray[np.float64], a: float) -> NDArray[np.float64]:
    d = np.abs(distance)
    if mode == "linear":
        return np.asarray(np.maximum(1 - d, 0))
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return np.asarray(np.where(d <= 1, near, np.where(d < 2, far, 0)))
