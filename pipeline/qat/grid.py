"""The integer grid of a tensor, learned; and rounding that lets gradients through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

LOW, HIGH = -128, 127
LEVELS = HIGH - LOW
SMALLEST = 1e-12  # a range below it is rounding noise around zero, and its scale no float32


class _Round(torch.autograd.Function):
    """Half to even, as XNNPACK rounds; the gradient passes (Bengio et al. 2013, 1308.3432)."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return x.round()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        return gradients[0]


class _Floor(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:  # noqa: ARG004
        return x.floor()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:  # noqa: ARG004
        return gradients[0]


def rounded(x: Tensor) -> Tensor:
    """The nearest integers, ties to even."""
    result: Tensor = _Round.apply(x)  # type: ignore[no-untyped-call]
    return result


def rounded_up(x: Tensor) -> Tensor:
    """The nearest integers, ties up: a fixed-point sum with half a step added, then shifted."""
    result: Tensor = _Floor.apply(x + 0.5)  # type: ignore[no-untyped-call]
    return result


class Grid(nn.Module):
    """real = scale * (q - zero point), q from -128 to 127; one grid for all tensors that share it.

    A tensor on the grid is held as its steps, q - zero point: integers in float32, in which sums of
    products are exact up to 2**24. The scale is learned (Esser et al. 2020, LSQ, 1902.08153), by
    its logarithm, in units of one step at the range's end; the zero point is calibrated and stays.
    """

    start: Tensor
    zero_point: Tensor

    def __init__(self, *, fixed: tuple[float, int] | None = None) -> None:
        super().__init__()
        scale, zero_point = fixed or (1.0, 0)
        self.fixed = fixed is not None
        self.register_buffer("start", torch.tensor(scale, dtype=torch.float32))
        self.register_buffer("zero_point", torch.tensor(float(zero_point)))
        self.growth = nn.Parameter(torch.zeros(()), requires_grad=not self.fixed)

    def set_range(self, low: float, high: float) -> None:
        """Start from a calibrated range, widened to hold zero; a fixed grid stays."""
        if self.fixed:
            return
        low, high = min(low, 0.0), max(high, 0.0)
        scale = (high - low if high - low > SMALLEST else 1.0) / LEVELS
        zero_point = max(LOW, min(HIGH, round(LOW - low / scale)))
        self.start.fill_(scale)
        self.zero_point.fill_(float(zero_point))
        self.growth.data.zero_()

    def scale(self) -> Tensor:
        """The step, float32, as it goes into the file."""
        return self.start * torch.exp(self.growth / HIGH)

    def bounds(self, low: float = float("-inf"), high: float = float("inf")) -> tuple[float, float]:
        """Lowest and highest steps; narrower where an activation is fused in."""
        scale, zero_point = self.scale().item(), self.zero_point.item()
        least = max(LOW - zero_point, round(low / scale) if low > float("-inf") else LOW * 2)
        most = min(HIGH - zero_point, round(high / scale) if high < float("inf") else HIGH * 3)
        return least, most

    def steps(self, real: Tensor) -> Tensor:
        """Real values to their nearest steps."""
        return rounded(real / self.scale()).clamp(*self.bounds())

    def real(self, steps: Tensor) -> Tensor:
        """Steps to real values."""
        return steps * self.scale()


class Real(Grid):
    """Of a tensor that stays float: its steps are its values."""

    def __init__(self) -> None:
        super().__init__(fixed=(1.0, 0))

    def steps(self, real: Tensor) -> Tensor:
        """The same."""
        return real

    def real(self, steps: Tensor) -> Tensor:
        """The same."""
        return steps
