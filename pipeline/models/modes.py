"""Training and evaluation, in a graph: what `nn.Module.train` switches in a module."""

from __future__ import annotations

import torch
from torch import fx


def note_always_on(graph_module: fx.GraphModule) -> None:
    """Note at every operator with a mode whether it is active in eval mode, as it is now."""
    for node in graph_module.graph.nodes:
        flag = _mode_argument(node)
        if flag is not None:
            node.meta["always_on"] = bool(node.args[flag])


def set_training(graph_module: fx.GraphModule, training: bool) -> None:
    """Switch batch norm, dropout and their like in the graph, as `nn.Module.train` would.

    (`graph_module.train()` only sets attributes, which no graph reads.) An operator that was
    active in eval mode, such as batch norm without running statistics, stays active.
    """
    graph = graph_module.graph
    for node in list(graph.nodes):
        if node.meta.get("counts_batches"):
            graph.erase_node(node)
            continue
        flag = _mode_argument(node)
        if flag is None or node.meta.get("always_on"):
            continue
        node.update_arg(flag, training)
        if training and node.target is torch.ops.aten.batch_norm.default:
            _count_batches(node)
    graph_module.recompile()


def _mode_argument(node: fx.Node) -> int | None:
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
        return None
    names = [argument.name for argument in node.target._schema.arguments]
    if "running_mean" in names and node.args[names.index("running_mean")] is None:
        return None  # it has no statistics but the batch's own
    found = [names.index(n) for n in ("train", "training", "use_input_stats") if n in names]
    return found[0] if found and found[0] < len(node.args) else None


def _count_batches(node: fx.Node) -> None:
    """Add one to `num_batches_tracked`, as `_BatchNorm.forward` does while training."""
    mean = node.args[3]
    assert isinstance(mean, fx.Node)
    name = str(mean.target).removesuffix("running_mean") + "num_batches_tracked"
    for counter in node.graph.nodes:
        if counter.op == "get_attr" and counter.target == name:
            with node.graph.inserting_before(node):
                added = node.graph.call_function(torch.ops.aten.add_.Tensor, (counter, 1))
            added.meta["counts_batches"] = True
            return
