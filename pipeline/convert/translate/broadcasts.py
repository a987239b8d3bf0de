"""Values that are repeated for an operator which broadcasts anyway: it gets them as they are."""

from __future__ import annotations

import numpy as np
import onnx

from pipeline.convert.translate import edit

REPEATS = ("Expand", "Tile")
BROADCASTING = frozenset({
    "Add", "Sub", "Mul", "Div", "Pow", "Where", "Max", "Min", "Equal", "Greater", "Less",
    "GreaterOrEqual", "LessOrEqual", "And", "Or",
})  # fmt: skip


def leave_out_repeats(model: onnx.ModelProto) -> int:
    """`x * gate.expand_as(x)` is `x * gate`; returns how many reads of repeated values went."""
    found = [node for op in REPEATS for node in edit.of(model, op)]
    if not found:
        return 0
    shapes = edit.shapes(model)
    return sum(_leave_out(model, node, shapes) for node in found)


def _leave_out(model: onnx.ModelProto, node: onnx.NodeProto, shapes: dict[str, list[int]]) -> int:
    source, made = node.input[0], node.output[0]
    small, whole = shapes.get(source), shapes.get(made)
    if not small or not whole or 0 in (*small, *whole) or not _fits(small, [], whole):
        return 0
    count = 0
    for user in edit.users(model, made):
        if user is None or user.op_type not in BROADCASTING:
            continue
        others = [shapes.get(name, [0]) for name in user.input if name != made]
        if others and all(0 not in shape for shape in others) and _fits(small, others, whole):
            user.input[:] = [source if name == made else name for name in user.input]
            count += 1
    if not edit.users(model, made):
        model.graph.node.remove(node)
    return count


def _fits(small: list[int], others: list[list[int]], whole: list[int]) -> bool:
    """Whether the shapes broadcast to the whole one; without others: whether to expand is to
    broadcast, not to copy what has a length already."""
    if not others:
        lengths = zip(reversed(small), reversed(whole), strict=False)
        return len(small) <= len(whole) and all(n in (1, m) for n, m in lengths)
    try:
        return list(np.broadcast_shapes(tuple(small), *map(tuple, others))) == whole
    except ValueError:
        return False
