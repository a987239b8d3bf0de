"""Attention heads as the units that go: which axis of a view is that of the heads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from pipeline.errors import Refused
from pipeline.prune.labels import along
from pipeline.prune.rules import name_of

if TYPE_CHECKING:
    from pipeline.prune.families import Family
    from pipeline.prune.trace import Trace

_PRODUCTS = {"matmul", "bmm", "scaled_dot_product_attention"}
_MOVES = {
    "permute", "transpose", "movedim", "swapaxes", "unbind", "getitem", "select", "split",
    "split_with_sizes", "chunk", "slice", "squeeze", "unsqueeze", "contiguous", "clone", "expand",
    "flatten", "unflatten", "view", "reshape",
}  # fmt: skip


def head_axis(trace: Trace, node: fx.Node, labels: Tensor) -> int | None:
    """The axis of a view's output along which products of attention are independent, if any."""
    for axis in trace.labels.varying(labels):
        shape = labels.shape
        mark = along(torch.arange(1, shape[axis] + 1), shape, axis)
        if any(_independent(user, node, mark, trace) for user in node.users):
            return axis
    return None


def _independent(user: fx.Node, source: fx.Node, mark: Any, trace: Trace) -> bool:
    """Whether the mark arrives at a product on one of its batch axes."""
    if user.op != "call_function":
        return False
    if name_of(user) in _PRODUCTS:
        varying = _varying(mark)
        return len(varying) == 1 and varying[0] < mark.dim() - 2
    found = _moved(user, source, mark, trace)
    return found is not None and any(
        _independent(next_, user, found, trace) for next_ in user.users
    )


def _moved(user: fx.Node, source: fx.Node, mark: Any, trace: Trace) -> Any:
    if name_of(user) in _MOVES:
        args = pytree.tree_map(trace.concrete, list(user.args))
        given = [mark if arg is source else arg for arg in args]
        try:
            return user.target(*given, **dict(user.kwargs))  # type: ignore[operator]
        except (RuntimeError, TypeError, IndexError):
            return None
    shape = trace.shape(user)
    plain = torch.Tag.pointwise in getattr(user.target, "tags", ()) or "norm" in name_of(user)
    return mark if plain and isinstance(mark, Tensor) and shape == mark.shape else None


def _varying(mark: Tensor) -> list[int]:
    return [d for d in range(mark.dim()) if bool((mark != mark.narrow(d, 0, 1)).any())]


def only_heads(trace: Trace, found: Sequence[Family]) -> list[Family]:
    """The families whose channels are heads.

    Raises:
        Refused: there is none.
    """
    chosen = list(_with_heads(trace, found))
    if not chosen:
        what = "nothing can be pruned: no product of attention has an axis of heads that can go"
        raise Refused(what, fix="prune channels: that narrows every head")
    return chosen


def _with_heads(trace: Trace, found: Sequence[Family]) -> Iterator[Family]:
    roots = {
        root for vector in trace.heads for root in trace.labels.classes(trace.labels.find(vector))
    }
    for family in found:
        if roots & set(trace.labels.find(family.labels).tolist()):
            yield family
