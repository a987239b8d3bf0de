"""Products of two activations: attention and its relatives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, fx

from pipeline.prune.labels import along, fixed
from pipeline.prune.rules import name_of, outer, rule
from pipeline.prune.rules.contraction import contract, is_stored
from pipeline.prune.rules.pointwise import combine

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace


@rule("matmul", "bmm", "mm", "mv")
def matmul(trace: Trace, node: fx.Node) -> Any:
    """(..., i, k) x (..., k, j) -> (..., i, j); a stored matrix is a linear layer."""
    return _product(trace, node, *node.args[:2])


@rule("addmm", "baddbmm", "addmv")
def added(trace: Trace, node: fx.Node) -> Any:
    """`beta * first + alpha * (second @ third)`."""
    product = _product(trace, node, *node.args[1:3])
    return combine(trace, node, [product, trace.of(node.args[0])], trace.shape(node))


def _product(trace: Trace, node: fx.Node, left: Any, right: Any) -> Tensor:
    stored = [is_stored(arg) and trace.tensor(arg).dim() == 2 for arg in (left, right)]
    product: Tensor
    if stored == [False, True]:
        product = contract(trace, node, trace.of(left), right, inputs_axis=0)
        return product
    if stored == [True, False] and trace.of(right).dim() > 1:
        product = contract(trace, node, trace.of(right), left, inputs_axis=1, place=-2)
        return product
    a, b, shape = _operand(trace, left), _operand(trace, right), trace.shape(node)
    if b[0].dim() == 1:  # a vector is a matrix of one column
        column = (b[0].unsqueeze(1), b[1])
        return trace.settled(multiply(trace, node, a, column, (*shape, 1)).squeeze(-1), node)
    known = outer.contract(trace, node, a, b)
    if known is None:
        known = outer.make(trace, node, a, b)
    return trace.settled(multiply(trace, node, a, b) if known is None else known, node)


def _operand(trace: Trace, arg: Any) -> tuple[Tensor, bool]:
    return trace.labels.settle(trace.of(arg)), arg.name in trace.zero


def multiply(
    trace: Trace,
    node: fx.Node,
    left: tuple[Tensor, bool],
    right: tuple[Tensor, bool],
    shape: Any = None,
) -> Tensor:
    """The labels of a product; each operand comes with whether a removed channel is zero in it.

    Only then may channels be removed along the contracted axis: elsewhere they would have
    contributed to the sum.
    """
    (a, a_zero), (b, b_zero) = left, right
    shape = trace.shape(node) if shape is None else shape
    if a.dim() < 2 or b.dim() < 2:
        return _stay(trace, node, a, b, shape)
    dims, rows = len(shape), trace.labels.axis(a)
    columns = trace.labels.axis(b)
    row = None if rows is None else rows - a.dim()
    column = None if columns is None else columns - b.dim()
    if row in (-1, None) and column in (-2, None) and (row, column) != (None, None):
        if not ((a_zero and row == -1) or (b_zero and column == -2)):
            if not trace.uncertified or name_of(node) == "scaled_dot_product_attention":
                return _stay(trace, node, a, b, shape)
            trace.couple(node, {0: a.dim() - 1, 1: b.dim() - 2}, None, certified=False)
        _tie(trace, a, -1, b, -2)
        return fixed(shape)
    if row is None and column == -1:
        return _keep(trace, b, -1, shape)
    if row == -1 and column == -1:
        trace.freeze(a, node, "contracts the channels with a fixed axis")
        return _keep(trace, b, -1, shape)
    if column is None and row == -2:
        return _keep(trace, a, -2, shape)
    if row == -2 and column == -2:
        trace.freeze(b, node, "contracts the channels with a fixed axis")
        return _keep(trace, a, -2, shape)
    if row == -2 and column == -1:
        trace.freeze(a, node, "makes a matrix with channels on both axes: one of them stays")
        return _keep(trace, b, -1, shape)
    if row is not None and row == column and row < -2 and dims >= -row:
        _tie(trace, a, row, b, row)
        return _keep(trace, a, row, shape)
    if row is not None and row < -2 and column == -1:
        trace.freeze(a, node, "repeats the product along its channels")
        return _keep(trace, b, -1, shape)
    if column is not None and column < -2 and row == -2:
        trace.freeze(b, node, "repeats the product along its channels")
        return _keep(trace, a, -2, shape)
    return _stay(trace, node, a, b, shape)


def _tie(trace: Trace, a: Tensor, row: int, b: Tensor, column: int) -> None:
    first = trace.labels.vector(a, row % a.dim())
    second = trace.labels.vector(b, column % b.dim())
    assert first is not None
    assert second is not None
    trace.labels.union(first, second)


def _keep(trace: Trace, labels: Tensor, axis: int, shape: Any) -> Tensor:
    vector = trace.labels.vector(labels, axis % labels.dim())
    assert vector is not None
    return along(vector, shape, axis % len(shape))


def _stay(trace: Trace, node: fx.Node, a: Tensor, b: Tensor, shape: Any) -> Tensor:
    for labels in (a, b):
        trace.freeze(labels, node, "channels on these axes cannot be removed from a product")
    return fixed(shape)


@rule("scaled_dot_product_attention")
def attention(trace: Trace, node: fx.Node) -> Any:
    """softmax(q k') v: the widths of q and k are tied, that of v passes through."""
    q, k, v = (_operand(trace, arg) for arg in node.args[:3])
    rest = [arg for arg in node.all_input_nodes if arg not in node.args[:3]]
    for arg in rest:
        trace.freeze(trace.of(arg), node, "masks the attention")
    shape = trace.shape(node)
    inner = (*shape[:-1], k[0].shape[-2])
    scores = multiply(trace, node, q, (k[0].transpose(-1, -2), k[1]), inner)
    return trace.settled(multiply(trace, node, (scores, False), v, shape), node)
