"""Images that a linear layer makes, as generators and decoders begin: its rows come channels last.

So the first convolution reads what the layer wrote, and nothing is transposed on the way.
"""

from __future__ import annotations

import numpy as np
import onnx

from pipeline.convert.translate import edit
from pipeline.convert.translate.cuts import EACH
from pipeline.convert.translate.permutations import Change, writing

WINDOWS = frozenset({
    "Conv", "ConvTranspose", "Resize", "Upsample", "MaxPool", "AveragePool", "GlobalAveragePool",
    "InstanceNormalization", "BatchNormalization",
})  # fmt: skip
"""What reads an image channels last."""


def write_images_channels_last(model: onnx.ModelProto) -> int:
    """Orders of images into the linear layers that make them; returns how many."""
    found = edit.of(model, "Reshape")
    if not found or not edit.of(model, "Gemm"):
        return 0
    shapes = edit.shapes(model)
    return sum(_turn(model, node, shapes.get(node.output[0], [])) for node in found)


def _turn(model: onnx.ModelProto, node: onnx.NodeProto, shape: list[int]) -> bool:
    """(N, C, *spatial): rows of the layer in the order (*spatial, C), and a layout that says so."""
    if len(shape) < 3 or not all(shape) or not _is_image(model, node.output[0]):
        return False
    batch, channels, *spatial = shape
    order = np.arange(channels * np.prod(spatial)).reshape(channels, -1).T.ravel()
    change = _rows(model, node.input[0], order)
    if change is None:
        return False
    change()
    made, name = f"{node.output[0]}_channels_last", node.output[0]
    node.input[1] = edit.store(model, "image_shape", np.array([batch, *spatial, channels]))
    node.output[0] = made
    axes = [0, len(shape) - 1, *range(1, len(shape) - 1)]
    turned = onnx.helper.make_node("Transpose", [made], [name], name=made, perm=axes)
    model.graph.node.insert(list(model.graph.node).index(node) + 1, turned)
    return True


def _is_image(model: onnx.ModelProto, name: str) -> bool:
    """Whether all who read a tensor, behind activations too, take it for one."""
    users = edit.users(model, name)
    return bool(users) and all(
        user is not None
        and (user.op_type in WINDOWS or (user.op_type in EACH and _is_image(model, user.output[0])))
        for user in users
    )


def _rows(model: onnx.ModelProto, name: str, order: np.ndarray) -> Change | None:
    """Up to the layer that computes a tensor for nobody else; there is one sample a row."""
    for node in edit.upwards(model, name):
        if node.op_type == "Gemm":
            weights = edit.constant(model, node.input[1])
            axis = 0 if edit.attribute(node, "transB", 0) else 1
            whole = weights is not None and weights.shape[axis] == len(order)
            return writing(model, node, order) if whole else None
        if node.op_type not in EACH or node.op_type == "BatchNormalization":
            return None
    return None
