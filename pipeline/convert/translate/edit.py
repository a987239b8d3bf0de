"""Reading and changing an ONNX graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper, shape_inference


def of(model: onnx.ModelProto, op: str) -> list[onnx.NodeProto]:
    """The nodes of a kind."""
    return [node for node in model.graph.node if node.op_type == op]


def maker(model: onnx.ModelProto, name: str) -> onnx.NodeProto | None:
    """The node that computes a tensor."""
    return next((node for node in model.graph.node if name in node.output), None)


def users(model: onnx.ModelProto, name: str) -> list[onnx.NodeProto | None]:
    """The nodes that read a tensor; None stands for the model's own output."""
    inside = [node for node in model.graph.node for read in node.input if read == name]
    return [*inside, *(None for info in model.graph.output if info.name == name)]


def constant(model: onnx.ModelProto, name: str) -> np.ndarray | None:
    """A tensor that is known."""
    for tensor in model.graph.initializer:
        if tensor.name == name:
            return np.asarray(numpy_helper.to_array(tensor))
    node = maker(model, name)
    if node is not None and node.op_type == "Constant":
        value = onnx.helper.get_attribute_value(node.attribute[0])
        return np.asarray(
            numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
        )
    return None


def store(model: onnx.ModelProto, stem: str, array: np.ndarray) -> str:
    """The name of a new constant: float32, or whole numbers as int64."""
    names = {tensor.name for tensor in model.graph.initializer}
    name = next(n for i in range(len(names) + 1) if (n := f"{stem}_{i}") not in names)
    kind = np.int64 if array.dtype.kind == "i" else np.float32
    model.graph.initializer.append(numpy_helper.from_array(array.astype(kind), name))
    return name


def upwards(model: onnx.ModelProto, name: str) -> Iterator[onnx.NodeProto]:
    """The nodes that a tensor comes from, by first inputs, as long as nobody else reads on the way.

    The next one is looked for when it is asked for: the caller stops at what has no input.
    """
    while (node := maker(model, name)) is not None and len(users(model, name)) == 1:
        yield node
        name = node.input[0]


def _value(node: onnx.NodeProto, name: str) -> Any:
    found = next((a for a in node.attribute if a.name == name), None)
    return None if found is None else onnx.helper.get_attribute_value(found)


def attribute(node: onnx.NodeProto, name: str, default: float) -> float:
    """A number."""
    value = _value(node, name)
    return default if value is None else float(value)


def numbers(node: onnx.NodeProto, name: str, default: Sequence[int]) -> list[int]:
    """Whole numbers."""
    value = _value(node, name)
    return list(default if value is None else value)


def text(node: onnx.NodeProto, name: str) -> str:
    """A word; empty where it is left out."""
    value = _value(node, name)
    return "" if value is None else str(value.decode())


def set_attribute(node: onnx.NodeProto, name: str, value: str | Sequence[int]) -> None:
    """In place of what it had."""
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])


def shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Of every tensor whose shape is known; 0 is a length that is not."""
    graph = shape_inference.infer_shapes(model).graph
    infos = [*graph.value_info, *graph.input, *graph.output]
    found = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in infos}
    return found | {tensor.name: list(tensor.dims) for tensor in graph.initializer}


def forget_shapes(model: onnx.ModelProto, names: set[str]) -> None:
    """What the exporter noted of tensors whose shape is another one now."""
    kept = [info for info in model.graph.value_info if info.name not in names]
    del model.graph.value_info[:]
    model.graph.value_info.extend(kept)


def bypass(model: onnx.ModelProto, node: onnx.NodeProto, before: onnx.NodeProto) -> None:
    """Take out a node that has one input in use: the one before it makes its output."""
    before.output[0] = node.output[0]
    model.graph.node.remove(node)
