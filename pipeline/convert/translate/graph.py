"""Walk an ONNX graph node by node, constants at once, and build its TensorFlow function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from pipeline.convert.translate.node import RULES, Node
from pipeline.convert.translate.strides import Layout
from pipeline.convert.translate.value import Value, arranged, memory_order_of, shaped
from pipeline.errors import Refused


@dataclass(frozen=True)
class Output:
    """An output: its tensor, and the permutation that takes it to ONNX's axes."""

    name: str
    tensor: Any
    to_onnx: list[int]


def shape_of(info: onnx.ValueInfoProto) -> list[int]:
    """A declared shape; an unknown first axis is the batch, and one.

    Raises:
        Refused: another axis is unknown.
    """
    sizes = [d.dim_value for d in info.type.tensor_type.shape.dim]
    sizes[:1] = [size or 1 for size in sizes[:1]]
    if not all(sizes):
        raise Refused(
            f"the input '{info.name}' has no fixed shape: {sizes} (0: unknown)",
            fix="export the model with fixed sizes",
        )  # fmt: skip
    return sizes


def inputs_of(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """What the model takes; older files list their weights there too."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [info for info in model.graph.input if info.name not in weights]


def build(
    model: onnx.ModelProto, given: dict[str, Value], sources: Mapping[str, str] = {}
) -> list[Output]:
    """The outputs of a folded model for these inputs; `sources` names the user's line of a node.

    Raises:
        Refused: an operator has no rule, or its rule does not cover what it is asked for.
    """
    import pipeline.convert.translate.rules  # noqa: F401  (declares the rules)

    known: dict[str, Value | None] = {"": None, **given}
    for tensor in model.graph.initializer:
        known[tensor.name] = Value.constant(onnx.numpy_helper.to_array(tensor))
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    remaining = _uses(model)
    for proto in model.graph.node:
        node = _node(proto, known, sources.get(proto.name, ""))
        results = _folded(proto, node, opset) or _lowered(node)
        made = zip(proto.output, results, strict=False)
        known.update((name, value) for name, value in made if name)
        for name in _read(proto):
            remaining[name] -= 1
            if not remaining[name]:
                known[name] = None
    return [_output(info.name, known[info.name]) for info in model.graph.output]


def _uses(model: onnx.ModelProto) -> dict[str, int]:
    """How often each name is still read: a weight is let go of after its last use."""
    uses: dict[str, int] = {}
    for proto in model.graph.node:
        for name in _read(proto):
            uses[name] = uses.get(name, 0) + 1
    for info in model.graph.output:
        uses[info.name] = uses.get(info.name, 0) + 1
    return uses


def _read(proto: onnx.NodeProto) -> Iterator[str]:
    yield from (name for name in proto.input if name)


def _node(proto: onnx.NodeProto, known: Mapping[str, Value | None], source: str) -> Node:
    attributes = {a.name: _plain(onnx.helper.get_attribute_value(a)) for a in proto.attribute}
    inputs = [known[name] for name in proto.input]
    return Node(proto.op_type, proto.name, inputs, list(proto.output), attributes, source)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    return value


def _lowered(node: Node) -> Sequence[Value]:
    if node.op not in RULES:
        raise node.refuse("has no TFLite form")
    result = RULES[node.op](node)
    return [result] if isinstance(result, Value) else result


def _folded(proto: onnx.NodeProto, node: Node, opset: int) -> list[Value] | None:
    """The results of a node that depends on no input, computed by ONNX's own reference."""
    if node.op == "Shape":
        return [Value.constant(_shape(node))]
    if any(value is not None and not value.is_constant for value in node.inputs):
        return None
    feeds = {
        name: value.array()
        for name, value in zip(proto.input, node.inputs, strict=True)
        if value is not None
    }
    graph = onnx.helper.make_graph(
        [proto], "one",
        [onnx.helper.make_tensor_value_info(
            n, onnx.helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in feeds.items()],
        [onnx.helper.make_value_info(name, onnx.TypeProto()) for name in proto.output if name],
    )  # fmt: skip
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)])
    try:
        made = iter(ReferenceEvaluator(model).run(None, feeds))
    except Exception as error:
        raise node.refuse(f"cannot be computed: {error}") from error
    return [Value.constant(np.asarray(next(made))) if name else _nothing() for name in proto.output]


def _shape(node: Node) -> np.ndarray:
    start, end = node.get("start", 0), node.get("end", None)
    return np.asarray(node.value().shape[start:end], np.int64)


def _nothing() -> Value:
    return Value.constant(np.zeros(0, np.float32))


def _output(name: str, value: Value | None) -> Output:
    """The tensor in its own memory order, axes whole, in the order that channels-last prefers."""
    assert value is not None
    rank = len(value.shape)
    order = memory_order_of(value)
    value = arranged(value, order)
    tensor = shaped(value.tensor, [value.shape[axis] for axis in order])
    return Output(name, tensor, [order.index(axis) for axis in range(rank)])


def given_input(tensor: Any, shape: Sequence[int], order: Sequence[int]) -> Value:
    """An input of logical `shape` whose memory holds its axes in `order`."""
    return Value(tensor, Layout.stored(shape, order))
