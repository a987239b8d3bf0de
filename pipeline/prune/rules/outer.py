"""Matrices of channels by channels (linear attention): products that contract one of the axes.

Labels vary along one axis, so that what is removed is always a slice. The product k' v of two
activations has channels on both. Where nothing reads it but products, which contract one of the two
axes and pass the other on, its columns are labelled as usual and its rows beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from pipeline.prune.labels import along
from pipeline.prune.rules import name_of

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace

Operand = tuple[Tensor, bool]
"""Labels, and whether a removed channel is zero there."""

_PRODUCTS = {"matmul", "bmm"}
_APART = "contracts the channels with a fixed axis"
_NOT_ZERO = "sums over channels that need not be zero"
_SAME = {"to", "_to_copy", "contiguous", "clone", "detach", "alias", "dropout"}


@dataclass(frozen=True)
class Rows:
    """The labels along axis -2 of a matrix, and whether a removed row is zero."""

    vector: Tensor
    zero: bool


def make(trace: Trace, node: fx.Node, left: Operand, right: Operand) -> Tensor | None:
    """The labels of the columns of left @ right, its rows noted; None where it may not be so."""
    (a, a_zero), (b, b_zero) = left, right
    if trace.labels.axis(a) != a.dim() - 2 or trace.labels.axis(b) != b.dim() - 1:
        return None
    matrices = _matrices(trace, node) if name_of(node) in _PRODUCTS else None
    rows = trace.labels.vector(a, a.dim() - 2)
    if (
        matrices is None
        or rows is None
        or any(arg.name in trace.rows for arg in node.all_input_nodes)
    ):
        return None
    for name, keeps in matrices.items():
        trace.rows[name] = Rows(rows, a_zero and keeps)
    trace.zero_or_not[node.name] = b_zero
    return _on(trace, b, -1, trace.shape(node))


def _matrices(trace: Trace, node: fx.Node) -> dict[str, bool] | None:
    """The nodes that are this matrix but for its numbers, and whether a zero row is zero there.

    None if something else than a product reads it.
    """
    found, todo = {node.name: True}, [node]
    while todo:
        at = todo.pop()
        for user in at.users:
            if _contracts(user, at):
                continue
            keeps = _passes(trace, user, at)
            if keeps is None:
                return None
            found[user.name] = found[at.name] and keeps
            todo.append(user)
        if not at.users:
            return None
    return found


def _contracts(user: fx.Node, matrix: fx.Node) -> bool:
    factors = [arg for arg in user.args[:2] if isinstance(arg, fx.Node) and arg.op != "get_attr"]
    return name_of(user) in _PRODUCTS and len(factors) == 2 and factors.count(matrix) == 1


def _passes(trace: Trace, user: fx.Node, matrix: fx.Node) -> bool | None:
    """Whether zero rows stay zero; None where rows or columns do not pass one by one."""
    name, shape = name_of(user), trace.shape(matrix)
    if name in _SAME:
        return True
    if name == "softmax":
        axis: Any = user.args[1]
        return False if axis % len(shape) == len(shape) - 1 else None
    if torch.Tag.pointwise not in getattr(user.target, "tags", ()):
        return None
    others = [trace.shape(arg) for arg in user.all_input_nodes if arg is not matrix]
    if any(isinstance(other, torch.Size) and set(other[-2:]) - {1} for other in others):
        return None
    return name == "mul" or (name == "div" and user.args[0] is matrix) or name in ("relu", "neg")


def contract(trace: Trace, node: fx.Node, left: Operand, right: Operand) -> Tensor | None:
    """The labels of a product with such a matrix; None (its rows held) where they do not meet."""
    first, second = (trace.rows.get(getattr(arg, "name", "")) for arg in node.args[:2])
    if first is None and second is None:
        return None
    found: Tensor | str = _APART
    if first is None and second is not None:
        found = _rows_contracted(trace, node, left, right, second)
    elif first is not None and second is None:
        found = _columns_contracted(trace, node, left, right, first)
    if isinstance(found, Tensor):
        return found
    for rows in (first, second):
        if rows is not None:
            trace.freeze(rows.vector, node, found)
    return None


def _rows_contracted(
    trace: Trace, node: fx.Node, left: Operand, matrix: Operand, rows: Rows
) -> Tensor | str:
    """x @ matrix: the channels of x meet the rows, and the columns pass."""
    (x, x_zero), (m, m_zero) = left, matrix
    inner = trace.labels.vector(x, x.dim() - 1) if trace.labels.axis(x) == x.dim() - 1 else None
    if inner is None or not (x_zero or rows.zero):
        return _APART if inner is None else _NOT_ZERO
    trace.tie(rows.vector, inner, node)
    trace.zero_or_not[node.name] = m_zero
    return _on(trace, m, -1, trace.shape(node))


def _columns_contracted(
    trace: Trace, node: fx.Node, matrix: Operand, right: Operand, rows: Rows
) -> Tensor | str:
    """matrix @ x: its columns meet the channels of x, and the rows pass."""
    (m, m_zero), (x, x_zero) = matrix, right
    columns = trace.labels.vector(m, m.dim() - 1) if trace.labels.axis(m) == m.dim() - 1 else None
    inner = trace.labels.vector(x, x.dim() - 2) if trace.labels.axis(x) == x.dim() - 2 else None
    if columns is None or inner is None or not (m_zero or x_zero):
        return _APART if columns is None or inner is None else _NOT_ZERO
    trace.tie(columns, inner, node)
    trace.zero_or_not[node.name] = rows.zero
    return along(rows.vector, trace.shape(node), len(trace.shape(node)) - 2)


def _on(trace: Trace, labels: Tensor, axis: int, shape: Any) -> Tensor:
    vector = trace.labels.vector(labels, axis % labels.dim())
    assert vector is not None
    return along(vector, shape, axis % len(shape))
