"""One small file for each kind of operator: what it does to channel labels."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import fx

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace

Rule = Callable[["Trace", fx.Node], Any]

_RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Declare the rule of these aten operators (in-place forms included)."""

    def declare(function: Rule) -> Rule:
        _RULES.update(dict.fromkeys(names, function))
        return function

    return declare


def name_of(node: fx.Node) -> str:
    """The operator without namespace, overload and in-place underscore."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return str(getattr(node.target, "__name__", node.target))
    return str(schema.name).partition("::")[2].rstrip("_")


def find(node: fx.Node) -> Rule:
    """The rule for a node: by name, else by torch's own tag for pointwise operators."""
    from pipeline.prune.rules import (  # noqa: F401
        cells,
        contraction,
        convolution,
        creation,
        einsum,
        matmul,
        movement,
        norm,
        picking,
        pointwise,
        pooling,
        recurrent,
        reduction,
        spectral,
        windows,
    )

    if node.target is operator.getitem:
        return movement.item
    named = None if _reinterprets(node) else _RULES.get(name_of(node))
    if named is not None:
        return named
    if torch.Tag.pointwise in getattr(node.target, "tags", ()):
        return pointwise.pointwise
    return unknown


def _reinterprets(node: fx.Node) -> bool:
    """`view(dtype)` shares a name with `view(shape)`."""
    return node.target is torch.ops.aten.view.dtype


def unknown(trace: Trace, node: fx.Node) -> Any:
    """No rule: what goes in stays as it is."""
    for arg in node.all_input_nodes:
        value = trace.values.get(arg.name)
        for labels in value if isinstance(value, list) else [trace.of(arg)]:
            trace.freeze(labels, node, "no rule for this operator")
    return trace.constant(node)
