"""Operators that only move values: on one grid, the same for real values and for steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.qat.kernels import Kernel, Place, Unknown, images, kernel
from pipeline.qat.kernels import channels_last as nhwc

Move = Callable[..., Any]
_MOVES: dict[str, Callable[[Place], Move]] = {}


def _move(*names: str) -> Callable[[Callable[[Place], Move]], Callable[[Place], Move]]:
    def declare(make: Callable[[Place], Move]) -> Callable[[Place], Move]:
        _MOVES.update(dict.fromkeys(names, make))
        return make

    return declare


def _axis(value: int, place: Place) -> int:
    """An axis that is not the batch."""
    axis = value % max(len(place.shape()), len(place.out_shape))
    if axis == 0:
        raise Unknown("it works along the first axis")
    return axis


def _tail(size: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """`shape` for `size` elements of a batch of any length: the first axis takes it all."""
    return (-1, *shape[1:]) if size else shape


@_move("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
def _reshape(place: Place) -> Move:
    shape = place.out_shape
    if not shape:
        raise Unknown("its output has no axis")
    return lambda x: x.reshape(_tail(x.numel(), shape))


@_move("TRANSPOSE")
def _transpose(place: Place) -> Move:
    order = place.constant(1)
    if order[0] != 0:
        raise Unknown("it moves the first axis")
    return lambda x: x.permute(order)


@_move("PAD", "PADV2")
def _pad(place: Place) -> Move:
    pads = place.constant(1)
    if any(pads[:2]):
        raise Unknown("it pads the first axis")
    pairs = [tuple(pads[at : at + 2]) for at in range(0, len(pads), 2)]
    flat = [number for pair in reversed(pairs[1:]) for number in pair]
    if place.operator.name == "PADV2" and len(place.operands) > 2:
        value = place.operands[2]
        if value is None or value.data is None or float(value.data.ravel()[0]) != 0:
            raise Unknown("it pads with something else than zero")
    return lambda x: functional.pad(x, flat)


@_move("CONCATENATION")
def _concatenate(place: Place) -> Move:
    axis = _axis(place.option("axis", 0), place)
    if any(tensor is None or tensor.data is not None for tensor in place.operands):
        raise Unknown("it joins a constant")
    return lambda *parts: torch.cat(parts, axis)


@_move("PACK")
def _pack(place: Place) -> Move:
    axis = _axis(place.option("axis", 0), place)
    return lambda *parts: torch.stack(parts, axis)


@_move("UNPACK")
def _unpack(place: Place) -> Move:
    axis = _axis(place.option("axis", 0), place)
    return lambda x: tuple(x.unbind(axis))


@_move("SPLIT")
def _split(place: Place) -> Move:
    rank, (axis,) = len(place.shape(1)), place.constant(0)
    if axis % rank == 0:
        raise Unknown("it splits the first axis")
    return lambda x: x.chunk(len(place.operator.outputs), axis % rank)


@_move("SPLIT_V")
def _split_sizes(place: Place) -> Move:
    (axis,), sizes = place.constant(2), place.constant(1)
    along = _axis(axis, place)
    sizes = [place.network.tensors[i].shape[along] for i in place.operator.outputs]
    return lambda x: x.split(sizes, along)


@_move("SLICE")
def _slice(place: Place) -> Move:
    starts, sizes = place.constant(1), place.out_shape
    if starts[0] or sizes[0] != place.shape()[0]:
        raise Unknown("it cuts the first axis")
    cuts = tuple(slice(s, s + n) for s, n in zip(starts[1:], sizes[1:], strict=True))
    return lambda x: x[(slice(None), *cuts)]


@_move("STRIDED_SLICE")
def _strided(place: Place) -> Move:
    masks = [place.option(name, 0) for name in ("ellipsisMask", "newAxisMask")]
    starts, ends, strides = (place.constant(number) for number in (1, 2, 3))
    begin, end, shrink = (place.option(f"{n}Mask", 0) for n in ("begin", "end", "shrinkAxis"))
    if any(masks) or any(stride < 1 for stride in strides):
        raise Unknown("it slices with a new axis, an ellipsis or backwards")
    cuts: list[Any] = []
    for axis, (first, last, stride) in enumerate(zip(starts, ends, strides, strict=True)):
        if shrink >> axis & 1:
            cuts.append(first)
            continue
        low = None if begin >> axis & 1 else first
        cuts.append(slice(low, None if end >> axis & 1 else last, stride))
    size = place.shape()[0]
    if not isinstance(cuts[0], slice) or range(size)[cuts[0]] != range(size):
        raise Unknown("it cuts the first axis")
    return lambda x: x[(slice(None), *cuts[1:])]


@_move("GATHER")
def _gather(place: Place) -> Move:
    axis, index = _axis(place.option("axis", 0), place), place.operands[1]
    if index is None or index.data is None or index.data.ndim > 1 or place.option("batchDims"):
        raise Unknown("its indices are no constant list")
    numbers = torch.tensor(index.data.ravel().tolist())
    scalar = index.data.ndim == 0
    return lambda x: (
        x.index_select(axis, numbers).squeeze(axis) if scalar else x.index_select(axis, numbers)
    )


@_move("RESIZE_NEAREST_NEIGHBOR")
def _nearest(place: Place) -> Move:
    (_, height, width, _), out = place.shape(), place.out_shape[1:3]
    if place.option("alignCorners") or any(
        o % s for o, s in zip(out, (height, width), strict=True)
    ):
        raise Unknown("it resizes by no whole factor")
    rows, columns = out[0] // height, out[1] // width
    return lambda x: x.repeat_interleave(rows, 1).repeat_interleave(columns, 2)


@_move("SPACE_TO_DEPTH", "DEPTH_TO_SPACE")
def _blocks(place: Place) -> Move:
    block = place.option("blockSize")
    _, height, width, channels = place.out_shape
    if place.operator.name == "DEPTH_TO_SPACE":
        rows, columns = height // block, width // block
        return lambda x: (
            x.reshape(-1, rows, columns, block, block, channels)
            .permute(0, 1, 3, 2, 4, 5)
            .reshape(-1, height, width, channels)
        )
    deep = channels // block**2
    return lambda x: (
        x.reshape(-1, height, block, width, block, deep)
        .permute(0, 1, 3, 2, 4, 5)
        .reshape(-1, height, width, channels)
    )


@kernel(*_MOVES)
class Movement(Kernel):
    """A move of whole steps."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.move = _MOVES[place.operator.name](place)

    def real(self, *values: Tensor) -> Any:
        return self.move(*values)

    def integer(self, *steps: Tensor) -> Any:
        return self.move(*steps)


@kernel("RESIZE_BILINEAR")
class Bilinear(Kernel):
    """Weighted means of neighbours, rounded on the same grid."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.size = place.out_shape[1:3]
        self.corners = bool(place.option("alignCorners", False))
        if not self.corners and not place.option("halfPixelCenters", False):
            raise Unknown("it resizes from pixel corners, which torch does not")

    def real(self, *values: Tensor) -> Tensor:
        made = functional.interpolate(
            images(values[0]), self.size, mode="bilinear", align_corners=self.corners
        )
        return nhwc(made)
