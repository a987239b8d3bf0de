"""Which activations are zero in a channel whose weights are zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, fx

from pipeline.prune.rules import name_of

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace

MAKES = {"conv1d", "conv2d", "conv3d", "linear", "conv_transpose1d", "conv_transpose2d",
          "conv_transpose3d", "embedding", "embedding_bag", "zeros", "new_zeros", "zeros_like",
          "gru_cell", "lstm_cell", "rnn_tanh_cell", "rnn_relu_cell"}  # fmt: skip
PASSES = {
    "permute", "transpose", "t", "mT", "numpy_T", "adjoint", "swapaxes", "movedim",
    "view", "reshape", "_unsafe_view", "flatten",
    "unflatten", "unsqueeze", "squeeze", "expand", "select", "narrow", "slice", "split",
    "split_with_sizes", "chunk", "unbind", "getitem", "repeat", "cat", "stack", "contiguous",
    "clone", "alias", "detach", "dropout", "feature_dropout", "to", "_to_copy", "type_as",
    "view_as", "reshape_as", "expand_as",
    "flip", "roll",
    "relu", "silu", "gelu", "tanh", "hardswish", "leaky_relu", "prelu", "relu6", "hardtanh",
    "neg", "abs", "square", "hardshrink", "softshrink", "mean", "sum", "glu",
    "amax", "amin", "max", "min",
    "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d",
    "scaled_dot_product_attention", "tensor_split", "unfold", "im2col", "col2im", "grid_sampler",
    "elu", "mish", "pixel_shuffle", "channel_shuffle", "pixel_unshuffle", "index", "index_select",
    "gather", "upsample_nearest2d", "upsample_bilinear2d", "max_unpool2d",
}  # fmt: skip
_ADDED = {"addmm", "baddbmm", "addmv"}
_PRODUCTS = {"matmul", "bmm", "mm", "mv", "linear", *_ADDED}
_COMBINES = {"mul", "add", "sub", "div", "batch_norm"}


def keeps_zero(trace: Trace, node: fx.Node) -> bool:
    """Whether a removed channel is zero in this node's output, given zeroed weights.

    A product of two activations over a channel axis may lose channels only then.
    """
    if node.op == "get_attr":
        return True
    if node.op != "call_function":
        return False
    if node.name in trace.zero_or_not:
        return trace.zero_or_not[node.name]
    name = name_of(node)
    if name in _PRODUCTS and _carried(trace, node):
        return _carries_zero(trace, node)
    if name in _ADDED:
        return not _shifted(trace, node)
    if (
        name in MAKES | _PRODUCTS
        or node.name in trace.coupled
        or (name == "batch_norm" and node.args[1] is not None)
    ):
        return True
    if name not in PASSES | _COMBINES:
        return False
    read = node.all_input_nodes[: 1 if name.endswith("_as") else None]
    inputs = [arg for arg in read if _varies(trace, arg)]
    zero = [arg.name in trace.zero for arg in inputs]
    if name == "mul":
        return any(zero)
    if name in ("add", "sub"):
        return len(inputs) == 2 and all(zero)
    if name == "div":
        return bool(inputs) and inputs[0] is node.args[0] and zero[0]
    return all(zero)


def _carried(trace: Trace, node: fx.Node) -> bool:
    """Whether a product's channels are those of an activation, not made by a stored matrix."""
    value = trace.values[node.name]
    axis = trace.labels.axis(value) if isinstance(value, Tensor) else None
    if axis is None or not isinstance(value, Tensor):
        return True
    left, right = _factors(node)
    makers = {value.dim() - 1: right, value.dim() - 2: left}
    maker = makers.get(axis)
    return not (isinstance(maker, fx.Node) and maker.op == "get_attr")


def _carries_zero(trace: Trace, node: fx.Node) -> bool:
    factors = [arg for arg in _factors(node) if isinstance(arg, fx.Node)]
    active = [arg for arg in factors if arg.op != "get_attr" and _varies(trace, arg)]
    return not _shifted(trace, node) and any(arg.name in trace.zero for arg in active)


def _factors(node: fx.Node) -> tuple[Any, Any]:
    left, right = node.args[1:3] if name_of(node) in _ADDED else node.args[:2]
    return left, right


def _shifted(trace: Trace, node: fx.Node) -> bool:
    """Whether what is added to a product is not zero in a removed channel."""
    if name_of(node) in _ADDED:
        added: Any = node.args[0]
        return not (added.name in trace.zero and _varies(trace, added))
    return len(node.args) > 2 and node.args[2] is not None


def _varies(trace: Trace, arg: fx.Node) -> bool:
    value = trace.values[arg.name]
    if isinstance(value, list):
        return any(trace.labels.varying(labels) for labels in value)
    return trace.holds_tensor(arg) and bool(trace.labels.varying(trace.of(arg)))
