"""Functions of single values, which the runtimes look up in a table of 256, and softmax."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.qat.grid import rounded, rounded_up
from pipeline.qat.kernels import INFINITY, Kernel, Place, kernel

Function = Callable[[Tensor], Tensor]


def _gelu(place: Place) -> Function:
    approximate = "tanh" if place.option("approximate", False) else "none"
    return partial(functional.gelu, approximate=approximate)


def _softmax(place: Place) -> Function:
    beta = place.option("beta", 1.0)
    return lambda x: functional.softmax(beta * x, -1)


def _clamp(low: float, high: float) -> Callable[[Place], Function]:
    return lambda _: lambda x: x.clamp(low, high)


FUNCTIONS: dict[str, Callable[[Place], Function]] = {
    "LOGISTIC": lambda _: torch.sigmoid,
    "TANH": lambda _: torch.tanh,
    "EXP": lambda _: torch.exp,
    "GELU": _gelu,
    "SOFTMAX": _softmax,
    "ABS": lambda _: torch.abs,
    "DEQUANTIZE": lambda _: lambda x: x,
    "RELU": _clamp(0.0, INFINITY),
    "RELU6": _clamp(0.0, 6.0),
    "RELU_N1_TO_1": _clamp(-1.0, 1.0),
    "RELU_0_TO_1": _clamp(0.0, 1.0),
}


@kernel(*FUNCTIONS)
class Pointwise(Kernel):
    """The function of each real value, rounded to the output's grid."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.function = FUNCTIONS[place.operator.name](place)

    def real(self, *values: Tensor) -> Tensor:
        return self.function(values[0])


@kernel("LEAKY_RELU")
class LeakyRelu(Kernel):
    """XNNPACK's: one factor a side, in 256ths, and ties up."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.slope = place.option("alpha", 0.0)

    def real(self, *values: Tensor) -> Tensor:
        return functional.leaky_relu(values[0], self.slope)

    def integer(self, *steps: Tensor) -> Tensor:
        factor = self.inputs[0].scale() / self.out.scale()
        positive, negative = (rounded(256 * factor * side) / 256 for side in (1.0, self.slope))
        (x,) = steps
        return self.stored(rounded_up(torch.where(x > 0, x * positive, x * negative)))


@kernel("QUANTIZE")
class Requantize(Kernel):
    """From one grid to another; XNNPACK's factor is in 256ths, ties up, within its range."""

    def real(self, *values: Tensor) -> Tensor:
        return values[0]

    def integer(self, *steps: Tensor) -> Tensor:
        factor = self.inputs[0].scale() / self.out.scale()
        if not 2**-8 <= factor.item() <= 2**7:
            return self.stored(rounded(steps[0] * factor))
        return self.stored(rounded_up(steps[0] * (rounded(256 * factor) / 256)))
