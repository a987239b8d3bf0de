"""Channels in another order: what computes them, or reads them, gets its weights in that order.

Pruning leaves such an order where a shuffle lost channels, and many networks turn RGB into BGR.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from numpy.typing import NDArray

from pipeline.convert.translate import edit

Order = NDArray[np.int64]
Change = Callable[[], None]
CHANNELS = 1
EACH = frozenset({
    "Relu", "LeakyRelu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu", "Gelu",
    "Mish", "Softplus", "Neg", "Abs", "Exp", "Sqrt", "Identity", "MaxPool", "AveragePool",
    "GlobalAveragePool", "GlobalMaxPool",
})  # fmt: skip
"""Operators that treat all channels alike, each for itself."""
WITH_NUMBERS = frozenset({"Add", "Sub", "Mul", "Div"})


def fold_permutations(model: onnx.ModelProto) -> int:
    """Constant orders of channels into the weights of a layer before or behind them."""
    found = [node for op in ("Gather", "Slice") for node in edit.of(model, op)]
    if not found:
        return 0
    shapes = edit.shapes(model)
    return sum(
        _into_writer(model, node, order) or _into_readers(model, node, order)
        for node in found
        if (order := _order(model, node, shapes)) is not None
    )


def _order(
    model: onnx.ModelProto, node: onnx.NodeProto, shapes: dict[str, list[int]]
) -> Order | None:
    """Which channel stands at each place; only where all are there, once."""
    shape = shapes.get(node.input[0], [])
    size = shape[CHANNELS] if len(shape) > CHANNELS else 0
    given = [edit.constant(model, name) for name in node.input[1:]]
    numbers = [n for n in given if n is not None]
    if not size or len(numbers) < len(given):
        return None
    if node.op_type == "Gather":
        axis, order = int(edit.attribute(node, "axis", 0)), np.asarray(numbers[0], np.int64)
        order = np.where(order < 0, order + size, order)
    elif len(numbers) == 4 and all(n.size == 1 for n in numbers):
        start, end, axis, step = (int(n.ravel()[0]) for n in numbers)
        order = np.arange(size)[slice(start, end, step)]
    else:
        return None
    moves = order.shape == (size,) and bool(np.any(np.diff(order) != 1))
    here = axis % len(shape) == CHANNELS and moves and sorted(order) == list(range(size))
    return order if here else None


def _into_writer(model: onnx.ModelProto, node: onnx.NodeProto, order: Order) -> bool:
    """Up to the layer that computes the channels, if nobody else reads them on the way."""
    changes: list[Change] = []
    name = node.input[0]
    while len(edit.users(model, name)) == 1 and (before := edit.maker(model, name)) is not None:
        last = writing(model, before, order)
        change = last or _between(model, before, order)
        if change is None:
            return False
        changes.append(change)
        if last is not None:
            for apply in changes:
                apply()
            bypassed = edit.maker(model, node.input[0])
            assert bypassed is not None
            edit.bypass(model, node, bypassed)
            return True
        name = _data(model, before)
    return False


def _into_readers(model: onnx.ModelProto, node: onnx.NodeProto, order: Order) -> bool:
    """Down to the layers that read the channels, on every way."""
    changes = _below(model, node.output[0], np.argsort(order))
    if changes is None:
        return False
    for apply in changes:
        apply()
    for user in edit.users(model, node.output[0]):
        assert user is not None
        user.input[:] = [node.input[0] if n == node.output[0] else n for n in user.input]
    model.graph.node.remove(node)
    return True


def _below(model: onnx.ModelProto, name: str, back: Order) -> list[Change] | None:
    """What gives all who read a tensor, and those who read what they make, the old order."""
    found: list[Change] = []
    for user in edit.users(model, name):
        if user is None or _data(model, user) != name:
            return None
        if (last := _reading(model, user, back)) is not None:
            found.append(last)
            continue
        change, further = _between(model, user, back), _below(model, user.output[0], back)
        if change is None or further is None:
            return None
        found += [change, *further]
    return found


def writing(model: onnx.ModelProto, node: onnx.NodeProto, order: Order) -> Change | None:
    """A layer whose outputs come in the new order, by its weights."""
    if node.op_type not in ("Conv", "Gemm") or not _plain(model, node):
        return None
    axis = 0 if node.op_type == "Conv" or edit.attribute(node, "transB", 0) else 1
    return lambda: _take(model, node, {1: axis, 2: 0}, order)


def _reading(model: onnx.ModelProto, node: onnx.NodeProto, back: Order) -> Change | None:
    """A layer that reads the old order, by its weights."""
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm") or not _plain(model, node):
        return None
    if edit.attribute(node, "transA", 0):
        return None
    first = node.op_type == "Gemm" and not edit.attribute(node, "transB", 0)
    axis = 0 if first or node.op_type == "ConvTranspose" else 1
    return lambda: _take(model, node, {1: axis}, back)


def _plain(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    """Of one group, its weights known, and a bias that has an entry a channel."""
    known = [edit.constant(model, name) for name in node.input[1:] if name]
    sound = bool(known) and all(array is not None for array in known)
    biases = [array for array in known[1:] if array is not None]
    flat = all(array.ndim == 1 and array.size > 1 for array in biases)
    return sound and flat and edit.attribute(node, "group", 1) == 1


def _between(model: onnx.ModelProto, node: onnx.NodeProto, order: Order) -> Change | None:
    """An operator that does the same in any order, once its numbers have it too."""
    if node.op_type in EACH and len(node.output) == 1:
        return lambda: None
    known = {i: edit.constant(model, name) for i, name in enumerate(node.input) if name}
    arrays = {i: array for i, array in known.items() if array is not None}
    if node.op_type == "Conv" and edit.attribute(node, "group", 1) == len(order):
        each = 1 in arrays and len(arrays) == len(known) - 1 and len(arrays[1]) == len(order)
        return (lambda: _take(model, node, dict.fromkeys(arrays, 0), order)) if each else None
    if node.op_type not in WITH_NUMBERS or len(arrays) != 1:
        return None
    ((place, array),) = arrays.items()
    if array.size == 1:
        return lambda: None
    if array.ndim < 3 or array.shape[-3] != len(order) or array.size != len(order):
        return None
    return lambda: _take(model, node, {place: array.ndim - 3}, order)


def _data(model: onnx.ModelProto, node: onnx.NodeProto) -> str:
    """The input that is computed."""
    return next((str(n) for n in node.input if edit.constant(model, n) is None), "")


def _take(model: onnx.ModelProto, node: onnx.NodeProto, axes: dict[int, int], order: Order) -> None:
    for place, axis in axes.items():
        array = edit.constant(model, node.input[place]) if place < len(node.input) else None
        if array is not None:
            node.input[place] = edit.store(model, "permuted", array.take(order, axis))
