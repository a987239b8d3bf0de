"""One small file for each kind of operator: what its int8 kernel computes, and its gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.qat.grid import Grid
from pipeline.qat.network import Network, Operator
from pipeline.qat.network import Tensor as Described

INFINITY = float("inf")
FUSED = {0: (-INFINITY, INFINITY), 1: (0.0, INFINITY), 2: (-1.0, 1.0), 3: (0.0, 6.0)}
"""{ActivationFunctionType: (low, high)}: none, RELU, RELU_N1_TO_1, RELU6."""


@dataclass(frozen=True)
class Place:
    """Where a kernel stands: its operator, and the grids of the network's tensors."""

    network: Network
    operator: Operator
    grids: Mapping[int, Grid]

    @property
    def option(self) -> Callable[..., Any]:
        """`option("strideH", 1)`: a builtin option, or the default where the file has none."""
        return lambda name, default=None: getattr(self.operator.options, name, default)

    @property
    def operands(self) -> list[Described | None]:
        """The operator's inputs in place."""
        return self.network.operands(self.operator)

    def constant(self, place: int) -> list[int]:
        """An operand that holds axes, sizes or indices."""
        tensor = self.operands[place]
        assert tensor is not None
        if tensor.data is None:
            raise Unknown(f"its operand {place} is computed while running")
        return [int(value) for value in tensor.data.ravel()]

    def shape(self, place: int = 0) -> tuple[int, ...]:
        """Shape of an operand, with a batch of 1."""
        tensor = self.operands[place]
        assert tensor is not None
        return tensor.shape

    @property
    def out_shape(self) -> tuple[int, ...]:
        """Shape of the first output, with a batch of 1."""
        return self.network.tensors[self.operator.outputs[0]].shape


class Unknown(Exception):
    """A kernel cannot do what its operator asks; the message says why."""


class Kernel(nn.Module):
    """An operator over a batch: on real values while calibrating, on steps (see Grid) after.

    `real` is the float operator and may take steps where the grids are shared. A kernel whose
    integer arithmetic is worth following has its own `integer`. A value with a static first axis
    of k has k entries a sample there: the axis is n * k long.
    """

    floating = False
    out: Grid

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.inputs = [place.grids[t.index] for t in _floats(place)]
        self.out = place.grids[place.operator.outputs[0]]
        self.low, self.high = FUSED[place.option("fusedActivationFunction", 0)]

    def forward(self, *values: Tensor) -> Any:
        """One output, or a tuple of them."""
        return self.real(*values) if self.floating else self.integer(*values)

    def real(self, *values: Tensor) -> Any:
        """The float operator, fused activation included."""
        raise NotImplementedError

    def integer(self, *steps: Tensor) -> Any:
        """The int8 operator, by way of real values."""
        given = [grid.real(value) for grid, value in zip(self.inputs, steps, strict=True)]
        return self.out.steps(self.real(*given))

    def fused(self, real: Tensor) -> Tensor:
        """The fused activation in float."""
        unbounded = (self.low, self.high) == FUSED[0]
        return real if unbounded else real.clamp(self.low, self.high)

    def stored(self, steps: Tensor) -> Tensor:
        """Whole steps into the range of the output and of its fused activation."""
        return steps.clamp(*self.out.bounds(self.low, self.high))


Make = Callable[[Place], Kernel]
_KERNELS: dict[str, Make] = {}


def kernel(*names: str) -> Callable[[Make], Make]:
    """Declare the kernel of these TFLite operators."""

    def declare(make: Make) -> Make:
        _KERNELS.update(dict.fromkeys(names, make))
        return make

    return declare


def find(name: str) -> Make | None:
    """The kernel of a TFLite operator; None where there is none."""
    from pipeline.qat.kernels import (  # noqa: F401
        arithmetic,
        contraction,
        movement,
        pointwise,
        pooling,
    )

    return _KERNELS.get(name)


def images(values: Tensor) -> Tensor:
    """(n, h, w, c) as torch's (n, c, h, w), without a copy."""
    return values.permute(0, 3, 1, 2)


def channels_last(values: Tensor) -> Tensor:
    """(n, c, h, w) as (n, h, w, c)."""
    return values.permute(0, 2, 3, 1)


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """What TensorFlow's "SAME" pads before and after."""
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def padded(x: Tensor, pads: list[tuple[int, int]], value: float = 0.0) -> Tensor:
    """(n, c, h, w) padded by ((top, bottom), (left, right)); steps of zero are zero."""
    (top, bottom), (left, right) = pads
    if not any((top, bottom, left, right)):
        return x
    return torch.nn.functional.pad(x, (left, right, top, bottom), value=value)


def _floats(place: Place) -> list[Described]:
    return [t for t in place.network.activations(place.operator) if t.is_float]
