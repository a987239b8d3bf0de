"""Tables that forward() computes from positions, as stored constants whose channels can go."""

from __future__ import annotations

import copy
from collections.abc import Iterator

from torch import Tensor, fx

from pipeline.prune.fold import ancestors, constants, erase, evaluate
from pipeline.prune.rules import name_of
from pipeline.prune.trace import LARGEST_LABELLED

_POSITIONS = {"arange", "linspace"}
_MEETS = {"add", "sub", "rsub", "mul"}
"""What takes them; a table to divide by may not be zero where channels go, as certificates say."""


def tabulate(graph_module: fx.GraphModule) -> fx.GraphModule:
    """The same function, with tables that meet activations (sines and cosines) as buffers.

    Computed anew in each run from numbers of positions, their channels could not go; a buffer is
    cut like any other. What learned parameters or the input have part in stays computed. A graph
    without such tables is given back.
    """
    if not list(_tables(graph_module)):
        return graph_module
    stored = copy.deepcopy(graph_module)
    for number, (node, value) in enumerate(list(_tables(stored))):
        name = f"table_{number}"
        stored.register_buffer(name, value)
        with stored.graph.inserting_before(node):
            node.replace_all_uses_with(stored.graph.get_attr(name))
        erase(node)
    stored.recompile()
    return stored


def _tables(graph_module: fx.GraphModule) -> Iterator[tuple[fx.Node, Tensor]]:
    learned = dict(graph_module.named_parameters(remove_duplicate=False))
    constant = constants(graph_module)
    for node in constant:
        meets = [user for user in node.users if user not in constant]
        if not any(name_of(user) in _MEETS for user in meets if user.op == "call_function"):
            continue
        behind = ancestors(node)
        positions = any(name_of(one) in _POSITIONS for one in behind if one.op == "call_function")
        if positions and not any(one.target in learned for one in behind if one.op == "get_attr"):
            value = evaluate(node)
            known = isinstance(value, Tensor) and value.is_floating_point()
            if known and 1 < value.numel() <= LARGEST_LABELLED:
                yield node, value
