"""The dense model without the influence of removed channels: what the pruned one must equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from pipeline.prune.fold import ancestors, constants
from pipeline.prune.mask import mask
from pipeline.prune.resize import Resizer
from pipeline.prune.rules import name_of
from pipeline.prune.trace import Coupled, Trace


def to_reference(
    dense: fx.GraphModule, trace: Trace, gone: Tensor, plan: Mapping[str, Any]
) -> list[str]:
    """Turn a copy of the dense graph, in place, into the reference; gives the names of the
    nodes that are coupled by what goes.

    Removed channels are zeroed (`mask`). A normalisation or reduction over channels, which zeros
    would not leave alone, computes over the kept channels only and gives zero in the others:
    shapes stay those of the dense graph, and nothing of the rewrite's is used but the sizes that
    such an operator is told.
    """
    mask(dense, plan, _divisors(dense))
    resizer = Resizer(trace, gone)
    found = []
    for node in list(dense.graph.nodes):
        coupled = trace.coupled.get(node.name)
        if coupled is not None and _over_kept(node, coupled, resizer):
            found.append(node.name)
    dense.recompile()
    return found


def _divisors(graph_module: fx.GraphModule) -> set[str]:
    """The tensors that have part in what something is divided by."""
    constant, found = constants(graph_module), set[str]()
    for node in graph_module.graph.nodes:
        place = _DIVIDES_BY.get(name_of(node)) if node.op == "call_function" else None
        if place is not None and node.args[place] in constant:
            behind = ancestors(node.args[place])
            found.update(str(one.target) for one in behind if one.op == "get_attr")
    return found


_DIVIDES_BY = {"div": 1, "rsqrt": 0, "reciprocal": 0, "pow": 0, "log": 0}
"""{operator: the argument that must not be zero}"""


def _over_kept(node: fx.Node, coupled: Coupled, resizer: Resizer) -> bool:
    kept = {}
    for place, axis in coupled.inputs.items():
        labels = resizer.trace.of(node.args[place])
        vector = resizer.trace.labels.vector(labels, axis)
        assert vector is not None
        kept[place] = (axis, resizer.keep(vector))
    if all(bool(stay.all()) for _, stay in kept.values()):
        return False
    resizer.update(node)
    node.target = computed_over(node.target, kept, coupled.output)  # type: ignore[arg-type]
    return True


def computed_over(
    operator: Callable[..., Any], kept: Mapping[int, tuple[int, Tensor]], output: int | None
) -> Callable[..., Any]:
    """An operator that sees only the kept channels: `kept` is {place: (axis, bool along it)}.

    With an `output` axis the result has the first input's channels back, zero where removed.
    """

    def run(*args: Any, **kwargs: Any) -> Any:
        given = list(args)
        for place, (axis, stay) in kept.items():
            given[place] = args[place].index_select(axis, stay.nonzero().flatten())
        result = operator(*given, **kwargs)
        if output is None:
            return result
        stay = kept[min(kept)][1]
        return pytree.tree_map_only(Tensor, lambda y: _spread(y, output, stay), result)

    run.__name__ = getattr(operator, "__name__", "operator")
    return run


def _spread(y: Tensor, axis: int, stay: Tensor) -> Tensor:
    sizes = list(y.shape)
    sizes[axis] = len(stay)
    whole = torch.zeros(sizes, dtype=y.dtype)
    return whole.index_copy(axis, stay.nonzero().flatten(), y)
