"""Operators that only move data are executed on the labels, so they cannot be mis-indexed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from pipeline.prune.labels import along, core
from pipeline.prune.rules import name_of, rule, unknown

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace

_VIEWS = ("view", "_unsafe_view", "reshape")
_PASSED = ("to", "_to_copy", "type_as", "contiguous", "clone", "alias", "detach")


@rule(
    "permute", "transpose", "t", "movedim", "adjoint", "mT", "numpy_T", "swapaxes",
    "view", "reshape", "_unsafe_view", "flatten", "unflatten", "view_as", "reshape_as",
    "unsqueeze", "squeeze", "select", "narrow",
    "split", "split_with_sizes", "chunk", "unsafe_split", "unsafe_chunk", "tensor_split", "unbind",
    "repeat", "tile", "repeat_interleave",
)  # fmt: skip
def move(trace: Trace, node: fx.Node) -> Any:
    """Execute on labels."""
    stored = any(isinstance(arg, fx.Node) and arg.op == "get_attr" for arg in node.args[1:])
    if stored and not name_of(node).endswith("_as"):  # (of those only the shape is read)
        return unknown(trace, node)
    target: Any = torch.ops.aten.reshape.default if name_of(node) in _VIEWS else node.target
    args = [_argument(trace, arg) for arg in node.args]
    kwargs = {k: _argument(trace, v) for k, v in node.kwargs.items()}
    moved = target(*args, **kwargs)
    if isinstance(moved, Tensor):
        return trace.moved(moved, node)
    return [trace.moved(part, node, i) for i, part in enumerate(moved)]


@rule("expand", "expand_as")
def expand(trace: Trace, node: fx.Node) -> Any:
    """An axis of one is repeated as often as there are channels on the other side."""
    moved = move(trace, node)
    x, shape = trace.of(node.args[0]), trace.shape(node)
    before = [1] * (len(shape) - x.dim()) + list(x.shape)
    grown = [axis for axis, size in enumerate(shape) if before[axis] < size]
    if trace.labels.varying(moved) or not grown:
        return moved
    other: Any = node.args[1]
    if isinstance(other, fx.Node):
        labels = trace.of(other)
        axis = next((axis for axis in trace.labels.varying(labels) if axis in grown), None)
        vector = None if axis is None else trace.labels.vector(labels, axis)
        return moved if axis is None or vector is None else along(vector, shape, axis)
    axis = _reduced(trace, node)
    if axis not in grown:
        axis = 1 if 1 in grown else grown[-1]
    fresh = along(trace.labels.fresh(shape[axis]), shape, axis)
    return trace.settled(fresh, node)


def _reduced(trace: Trace, node: fx.Node) -> int | None:
    """The axis of the channels that a statistic was taken over and is given back to."""
    dims, seen = len(trace.shape(node)), set[fx.Node]()
    waiting = list(node.all_input_nodes[:1])
    while waiting:
        arg = waiting.pop()
        if arg in seen:
            continue
        seen.add(arg)
        if arg.op != "call_function" or len(trace.shape(arg)) != dims:
            continue
        coupled = trace.coupled.get(arg.name)
        if coupled is not None:
            return next(iter(coupled.inputs.values())) if coupled.output is None else None
        if torch.Tag.pointwise in getattr(arg.target, "tags", ()) or name_of(arg) in _PASSED:
            waiting += arg.all_input_nodes
    return None


def _argument(trace: Trace, arg: Any) -> Any:
    plain = trace.concrete(arg)
    return trace.of(plain) if isinstance(plain, fx.Node) else plain


def item(trace: Trace, node: fx.Node) -> Any:
    """`operator.getitem` on an operator with several outputs."""
    source, index = node.args
    assert isinstance(source, fx.Node)
    value = trace.values[source.name]
    return value[index] if isinstance(value, list) else trace.constant(node)  # type: ignore[index]


@rule("slice")
def cut(trace: Trace, node: fx.Node) -> Any:
    """A slice; one with a step ties the neighbours it steps over."""
    x = trace.of(node.args[0])
    axis = _axis(node, 1, 0, x.dim())
    step: Any = node.args[4] if len(node.args) > 4 else 1
    vector = trace.labels.vector(x, axis) if step != 1 else None
    if vector is not None and trace.labels.axis(x) == axis:
        whole = node.args[3] is None or int(trace.concrete(node.args[3])) >= len(vector)
        if (
            len(vector) % step
            or not whole
            or not 0 <= int(trace.concrete(node.args[2]) or 0) < step
        ):
            trace.freeze(x, node, "slices the channels with a step that does not divide them")
        else:  # channels go `step` neighbours at a time, so that the rest stays evenly spaced
            blocks = vector.reshape(-1, step)
            trace.labels.union(blocks, blocks[:, :1].expand_as(blocks))
    return move(trace, node)


@rule("cat", "concat", "concatenate", "stack")
def join(trace: Trace, node: fx.Node) -> Any:
    """Concatenate, on label tensors as thin as their other axes allow."""
    parts = [trace.of(arg) for arg in node.args[0]]  # type: ignore[union-attr]
    shape = trace.shape(node)
    axis = _axis(node, 1, 0, len(shape))
    if name_of(node) == "stack":
        parts = [part.unsqueeze(axis) for part in parts]
    parts = [part for part in parts if part.dim() == len(shape)]
    thin = [core(part) for part in parts]
    common = [max(sizes) for sizes in zip(*(part.shape for part in thin), strict=True)]
    wide = []
    for part, slim in zip(parts, thin, strict=True):
        sizes = common.copy()
        sizes[axis] = part.shape[axis]
        wide.append(slim.expand(sizes))
    return trace.moved(torch.cat(wide, axis).expand(shape), node)


def _axis(node: fx.Node, position: int, default: int, dims: int) -> int:
    given: Any = node.args[position] if len(node.args) > position else node.kwargs.get("dim")
    return int(default if given is None else given) % dims


@rule("flip", "roll")
def rotate(trace: Trace, node: fx.Node) -> Any:
    """Along the channels it is executed; a distance of rolling then counts those that stay."""
    x = trace.on_one_axis(node.args[0])
    axis = trace.labels.axis(x)
    if name_of(node) == "flip":
        dims: Any = node.args[1]
        return x.flip(axis) if axis is not None and axis in [d % x.dim() for d in dims] else x
    shifts = shifts_of(node, x.dim())
    if not shifts:
        trace.freeze(x, node, "rolls over all axes at once")
    return x.roll(shifts[axis], axis) if axis in shifts else x


def shifts_of(node: fx.Node, dims: int) -> dict[int, int]:
    """{axis: how far `roll` rolls along it}; nothing where it names no axes."""
    given: Any = [*node.args[1:], ()]
    found: dict[int, int] = {}
    for axis, shift in zip(given[1], given[0], strict=False):
        found[axis % dims] = found.get(axis % dims, 0) + shift
    return found


@rule("pixel_shuffle", "pixel_unshuffle", "channel_shuffle")
def shuffle(trace: Trace, node: fx.Node) -> Any:
    """A view, a permutation and a view, settled between so that groups stay whole."""
    x, factor = trace.of(node.args[0]), node.args[1]
    assert isinstance(factor, int)
    n, c, h, w = x.shape
    if name_of(node) == "pixel_shuffle":
        y = x.reshape(n, c // factor**2, factor, factor, h, w)
        y = trace.labels.settle(y, prefer=1, tied={0}).permute(0, 1, 4, 2, 5, 3)
    elif name_of(node) == "channel_shuffle":
        y = x.reshape(n, factor, c // factor, h, w)
        free, y = trace.labels.axis(x), trace.labels.settle(y, tied={0})
        if free is not None and trace.labels.axis(y) is None:
            trace.collapsed.add(node.name)
        y = y.permute(0, 2, 1, 3, 4)
    else:
        y = x.reshape(n, c, h // factor, factor, w // factor, factor)
        y = trace.labels.settle(y, prefer=1, tied={0}).permute(0, 1, 3, 5, 2, 4)
    return trace.settled(y.reshape(trace.shape(node)), node)


@rule(
    "contiguous", "clone", "alias", "detach", "lift_fresh_copy", "zero",
    "dropout", "native_dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout",
    "to", "_to_copy", "type_as", "zeros_like", "ones_like", "empty_like", "full_like",
)  # fmt: skip
def passed(trace: Trace, node: fx.Node) -> Any:
    """The same tensor, element for element."""
    labels = trace.of(node.args[0])
    return trace.moved(labels, node) if isinstance(trace.constant(node), Tensor) else None
