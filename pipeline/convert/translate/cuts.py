"""Cuts behind a convolution: of what it need not compute, or behind its activation.

A causal layer is often written with padding on both sides and a slice behind it (the temporal
convolutional network of Bai et al., arXiv 1803.01271). Without the slice there is less to compute,
and the activation behind it becomes part of the convolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from pipeline.convert.translate import edit

EACH = frozenset({
    "Relu", "LeakyRelu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Elu", "Gelu",
    "Mish", "Softplus", "Neg", "Abs", "Exp", "Sqrt", "Identity", "BatchNormalization",
})  # fmt: skip
"""Operators that treat all places alike, each for itself."""
CHOOSING = frozenset({
    "MaxPool", "GlobalMaxPool", "Slice", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze",
    "DepthToSpace", "SpaceToDepth",
})  # fmt: skip
"""Operators whose results are values of what they read."""
FUSING = frozenset({"Conv", "ConvTranspose", "Gemm", "Add"})
"""Operators that an activation may be part of."""
ACTIVATION = "activation"  # of a ConvTranspose; ONNX has none


@dataclass
class Span:
    """One spatial axis of a convolution: its length, and the windows that lie in it."""

    size: int
    kernel: int
    stride: int
    before: int
    after: int

    @property
    def out(self) -> int:
        """How many windows there are."""
        return (self.size + self.before + self.after - self.kernel) // self.stride + 1

    def cut(self, start: int, end: int) -> Span | None:
        """With the windows from `start` to `end` alone; None where padding cannot say that."""
        before = self.before - start * self.stride
        needed = (end - start - 1) * self.stride + self.kernel - self.size - before
        made = Span(self.size, self.kernel, self.stride, before, max(needed, 0))
        fits = before >= 0 and made.after <= self.after and made.out == end - start
        return made if fits else None


def trim_convolutions(model: onnx.ModelProto) -> int:
    """Slices of convolutions into their padding; returns how many went."""
    slices = edit.of(model, "Slice")
    if not slices or not edit.of(model, "Conv"):
        return 0
    shapes = edit.shapes(model)
    return sum(_trim(model, node, shapes) for node in slices)


def activate_before_choosing(model: onnx.ModelProto) -> int:
    """ReLUs before what only chooses or moves, so that they are part of the layer before that.

    `relu(max_pool(conv(x)))` is the same as `max_pool(relu(conv(x)))`.
    """
    return sum(_earlier(model, node) for node in edit.of(model, "Relu"))


def _earlier(model: onnx.ModelProto, relu: onnx.NodeProto) -> bool:
    way: list[onnx.NodeProto] = []
    for node in edit.upwards(model, relu.input[0]):
        if node.op_type in FUSING:
            break
        if node.op_type not in CHOOSING or len(node.output) > 1:
            return False
        way.append(node)
    else:
        return False
    if not way:
        return False
    name = way[-1].input[0]
    made = f"{name}_activated"
    way[0].output[0], way[-1].input[0] = relu.output[0], made
    earlier = onnx.helper.make_node("Relu", [name], [made], name=relu.name)
    model.graph.node.remove(relu)
    model.graph.node.insert(list(model.graph.node).index(way[-1]), earlier)
    return True


def activate_before_cropping(model: onnx.ModelProto) -> int:
    """ReLUs into the transposed convolutions before them, which TFLite crops only afterwards.

    There they are part of the operator; behind the crop they would be one of their own.
    """
    pairs = [(node, edit.maker(model, node.input[0])) for node in edit.of(model, "Relu")]
    found = [
        (relu, conv) for relu, conv in pairs
        if conv is not None and conv.op_type == "ConvTranspose"
        and len(edit.users(model, relu.input[0])) == 1
    ]  # fmt: skip
    for relu, conv in found:
        edit.set_attribute(conv, ACTIVATION, relu.op_type)
        edit.bypass(model, relu, conv)
    return len(found)


def _trim(model: onnx.ModelProto, node: onnx.NodeProto, shapes: dict[str, list[int]]) -> bool:
    way = _way(model, node.input[0])
    chosen = _chosen(model, node)
    if not way or chosen is None or edit.text(way[-1], "auto_pad") not in ("", "NOTSET"):
        return False
    conv, (places, axis) = way[-1], chosen
    size, weights = (shapes.get(name, []) for name in conv.input[:2])
    rank = len(size)
    at = (axis + rank if axis < 0 else axis) - 2
    if not 0 <= at < rank - 2 or len(weights) != rank or not size[at + 2]:
        return False
    spatial = rank - 2
    pads = edit.numbers(conv, "pads", [0] * 2 * spatial)
    dilation = edit.numbers(conv, "dilations", [1] * spatial)[at]
    stride = edit.numbers(conv, "strides", [1] * spatial)[at]
    kernel = (weights[at + 2] - 1) * dilation + 1
    span = Span(size[at + 2], kernel, stride, pads[at], pads[at + spatial])
    start, end, step = places.indices(span.out)
    made = span.cut(start, end) if start < end and step == 1 else None
    if made is None:
        return False
    pads[at], pads[at + spatial] = made.before, made.after
    edit.set_attribute(conv, "pads", pads)
    edit.forget_shapes(model, {name for each in way for name in each.output})
    edit.bypass(model, node, way[0])
    return True


def _chosen(model: onnx.ModelProto, node: onnx.NodeProto) -> tuple[slice, int] | None:
    """What a slice along one axis keeps, and along which."""
    numbers = [edit.constant(model, name) for name in node.input[1:]]
    known = [int(n.ravel()[0]) for n in numbers if n is not None and n.size == 1]
    if len(known) < len(numbers) or len(known) < 3:
        return None
    start, end, axis, *steps = known
    return slice(start, end, *steps), axis


def _way(model: onnx.ModelProto, name: str) -> list[onnx.NodeProto]:
    """From a tensor up to the convolution that it comes from; empty where others read on the way,
    or where what lies between does not treat all places alike."""
    way: list[onnx.NodeProto] = []
    for node in edit.upwards(model, name):
        way.append(node)
        if node.op_type == "Conv":
            return way
        if node.op_type not in EACH or len(node.output) > 1:
            return []
    return []
