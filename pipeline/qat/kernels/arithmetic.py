"""Sums, differences and products of two tensors, of which one may be constant."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.qat.grid import Grid, rounded, rounded_up
from pipeline.qat.kernels import Kernel, Place, Unknown, kernel

MULTIPLIER_BITS = 20


class Constant(nn.Module):
    """An operand with a grid of its own, from its smallest to its largest value."""

    value: Tensor

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.register_buffer("value", torch.from_numpy(np.array(value)))
        self.grid = Grid()
        self.grid.set_range(float(self.value.min()), float(self.value.max()))
        self.grid.growth.requires_grad_(False)


class Binary(Kernel):
    """Two operands, broadcast; the batch is the first axis of those that are computed."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.constants: dict[int, Constant] = {}
        self.shapes: list[tuple[int, ...]] = []
        self.grids: list[Grid] = []
        for number, tensor in enumerate(place.operands[:2]):
            assert tensor is not None
            missing = (1,) * (len(place.out_shape) - len(tensor.shape))
            if tensor.data is None:
                if missing and tensor.shape[:1] != (1,):
                    raise Unknown("an operand is broadcast along the batch")
                self.shapes.append((-1, *missing, *tensor.shape[1:]) if missing else ())
                self.grids.append(place.grids[tensor.index])
                continue
            constant = Constant(tensor.data.reshape(missing + tensor.shape))
            self.constants[number] = constant
            self.grids.append(constant.grid)
        self.held = nn.ModuleList(self.constants.values())

    def both(self, given: tuple[Tensor, ...], *, steps: bool) -> list[Tensor]:
        """The two operands in place, as steps or as real values."""
        shaped = [x.reshape(s) if s else x for x, s in zip(given, self.shapes, strict=True)]
        found = []
        for number, grid in enumerate(self.grids):
            if number not in self.constants:
                found.append(shaped.pop(0))
                continue
            value = self.constants[number].value
            found.append(grid.steps(value) if steps else value)
        return found


@kernel("ADD")
class Add(Binary):
    """XNNPACK's: both factors in fixed point with 20 bits after the larger one's first."""

    sign = 1.0

    def real(self, *values: Tensor) -> Tensor:
        one, two = self.both(values, steps=False)
        return self.fused(one + self.sign * two)

    def integer(self, *steps: Tensor) -> Tensor:
        one, two = self.both(steps, steps=True)
        first, second = (grid.scale() / self.out.scale() for grid in self.grids)
        _, exponent = math.frexp(max(first.item(), second.item()))
        unit = 2.0 ** (exponent - 1 - MULTIPLIER_BITS)
        first, second = rounded(first / unit) * unit, rounded(second / unit) * unit
        return self.stored(rounded_up(one * first + self.sign * (two * second)))


@kernel("SUB")
class Subtract(Add):
    """A sum with the second factor's sign turned."""

    sign = -1.0


@kernel("MUL")
class Multiply(Binary):
    """Whole products, one float32 factor."""

    def real(self, *values: Tensor) -> Tensor:
        one, two = self.both(values, steps=False)
        return self.fused(one * two)

    def integer(self, *steps: Tensor) -> Tensor:
        one, two = self.both(steps, steps=True)
        first, second = (grid.scale() for grid in self.grids)
        return self.stored(rounded(one * two * (first * second / self.out.scale())))


@kernel("BATCH_MATMUL")
class MatrixProduct(Kernel):
    """A product of two computed matrices, each transposed where the file says so."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.turn = place.option("adjX", False), place.option("adjY", False)

    def _product(self, one: Tensor, two: Tensor) -> Tensor:
        first, second = (v.mT if t else v for v, t in zip((one, two), self.turn, strict=True))
        return first @ second

    def real(self, *values: Tensor) -> Tensor:
        return self._product(*values)

    def integer(self, *steps: Tensor) -> Tensor:
        first, second = (grid.scale() for grid in self.inputs)
        factor = first * second / self.out.scale()
        return self.stored(rounded(self._product(*steps) * factor))


@kernel("MAXIMUM", "MINIMUM")
class Extreme(Kernel):
    """The larger or smaller of two computed tensors on one grid."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.choose = torch.maximum if place.operator.name == "MAXIMUM" else torch.minimum

    def real(self, *values: Tensor) -> Tensor:
        return self.choose(*values)

    def integer(self, *steps: Tensor) -> Tensor:
        return self.choose(*steps)
