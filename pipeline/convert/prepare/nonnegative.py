"""Which tensors of a graph are provably never below zero."""

from __future__ import annotations

from torch.fx import Graph, Node

ALWAYS = frozenset({"relu", "relu_", "relu6", "relu6_", "sigmoid", "sigmoid_", "hardsigmoid",
                    "hardsigmoid_", "softmax", "_softmax", "abs", "square", "exp"})  # fmt: skip
CLAMPS = {"hardtanh": -1.0, "hardtanh_": -1.0, "clamp": None, "clamp_": None, "clamp_min": None}
SCALED = frozenset({"add", "add_", "mul", "mul_"})  # scalars and alpha count as operands
# They give only values (or means and maxima) of the tensors they take.
KEEP = frozenset({"max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d",
                  "adaptive_avg_pool2d", "mean", "cat", "stack",
                  "view", "reshape", "flatten", "permute", "transpose", "squeeze", "unsqueeze",
                  "slice", "select", "chunk", "split", "split_with_sizes", "getitem", "clone",
                  "contiguous", "dropout", "upsample_nearest2d", "channel_shuffle"})  # fmt: skip


def nonnegative(graph: Graph) -> set[Node]:
    """The nodes none of whose elements can be below zero, whatever the input (else: not proved)."""
    proved: set[Node] = set()
    for node in graph.nodes:
        if _is_nonnegative(node, proved):
            proved.add(node)
    return proved


def op_name(node: Node) -> str:
    """`aten.max_pool2d.default` -> `max_pool2d`; empty for what is not an operation."""
    if node.op != "call_function":
        return ""
    packet = getattr(node.target, "overloadpacket", node.target)
    return str(getattr(packet, "__name__", ""))


def _is_nonnegative(node: Node, proved: set[Node]) -> bool:
    name = op_name(node)
    if name in ALWAYS:
        return True
    if name in CLAMPS:
        low = node.args[1] if len(node.args) > 1 else node.kwargs.get("min", CLAMPS[name])
        return isinstance(low, int | float) and low >= 0
    if name in SCALED:
        scalars = [v for v in (*node.args, *node.kwargs.values()) if isinstance(v, int | float)]
        return all(v >= 0 for v in scalars) and proved.issuperset(node.all_input_nodes)
    return name in KEEP and proved.issuperset(node.all_input_nodes)
