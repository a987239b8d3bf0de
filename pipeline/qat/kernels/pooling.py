"""Pools and means."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.qat.grid import rounded
from pipeline.qat.kernels import (
    INFINITY,
    Kernel,
    Place,
    Unknown,
    channels_last,
    images,
    kernel,
    padded,
    same_padding,
)

SAME = 0


class Pool(Kernel):
    """A window over (n, h, w, c), on one grid for input and output."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.size = place.option("filterHeight"), place.option("filterWidth")
        self.stride = place.option("strideH"), place.option("strideW")
        axes = zip(place.shape()[1:3], self.size, self.stride, strict=True)
        same = place.option("padding") == SAME
        self.pads = [same_padding(*axis) if same else (0, 0) for axis in axes]


@kernel("MAX_POOL_2D")
class MaxPool(Pool):
    """The largest of a window; padding never wins."""

    def _largest(self, x: Tensor) -> Tensor:
        x = padded(images(x), self.pads, -INFINITY)
        return channels_last(functional.max_pool2d(x, self.size, self.stride))

    def real(self, *values: Tensor) -> Tensor:
        return self.fused(self._largest(values[0]))

    def integer(self, *steps: Tensor) -> Tensor:
        return self.stored(self._largest(steps[0]))


@kernel("AVERAGE_POOL_2D")
class AveragePool(Pool):
    """The mean over what of a window lies inside; whole q are averaged, halves go off zero."""

    def _mean(self, x: Tensor) -> Tensor:
        ones = padded(torch.ones_like(images(x[:1, :, :, :1])), self.pads)
        share = functional.avg_pool2d(ones, self.size, self.stride)
        total = functional.avg_pool2d(padded(images(x), self.pads), self.size, self.stride)
        return channels_last(total / share)

    def real(self, *values: Tensor) -> Tensor:
        return self.fused(self._mean(values[0]))

    def integer(self, *steps: Tensor) -> Tensor:
        q = self._mean(steps[0]) + self.out.zero_point
        nearest = torch.copysign((q.abs() + 0.5).floor(), q)
        return self.stored(q + (nearest - q).detach() - self.out.zero_point)


@kernel("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")
class Reduction(Kernel):
    """Over any axes but the batch."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        rank = len(place.shape())
        self.axes = sorted(axis % rank for axis in place.constant(1))
        if 0 in self.axes and place.shape()[0] != 1:
            raise Unknown("it reduces the first axis")
        self.axes = [axis for axis in self.axes if axis]
        self.keep = bool(place.option("keepDims", False))
        self.name = place.operator.name

    def _reduced(self, x: Tensor) -> Tensor:
        if self.name.startswith("REDUCE"):
            extreme = torch.amax if self.name == "REDUCE_MAX" else torch.amin
            return extreme(x, self.axes, self.keep)
        return x.sum(self.axes, keepdim=self.keep)

    def _count(self, x: Tensor) -> int:
        return x[0].numel() // max(1, self._reduced(x[:1]).numel()) if self.name == "MEAN" else 1

    def real(self, *values: Tensor) -> Tensor:
        return self._reduced(values[0]) / self._count(values[0])

    def integer(self, *steps: Tensor) -> Tensor:
        if self.name.startswith("REDUCE"):
            return self._reduced(steps[0])
        factor = self.inputs[0].scale() / (self.out.scale() * self._count(steps[0]))
        return self.stored(rounded(self._reduced(steps[0]) * factor))
