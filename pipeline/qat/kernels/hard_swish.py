"""HARD_SWISH, which no delegate takes in int8: the builtin kernel's 16-bit arithmetic.

tensorflow/lite/kernels/internal/reference/hard_swish.h, over gemmlowp's fixed-point functions.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.qat.kernels import Kernel, kernel

LIMIT = 32767
UNIT = 3 / 32768  # of the gate, which is (x / 3 + 1) / 2 between 0 and 1


@kernel("HARD_SWISH")
class HardSwish(Kernel):
    """x * relu6(x + 3) / 6."""

    def real(self, *values: Tensor) -> Tensor:
        return functional.hardswish(values[0])

    def integer(self, *steps: Tensor) -> Tensor:
        smooth: Tensor = super().integer(*steps)
        whole = _kernel(steps[0].detach().long(), self.inputs[0].scale(), self.out.scale())
        return smooth + (self.stored(whole.to(smooth.dtype)) - smooth).detach()


def _kernel(steps: Tensor, input_scale: Tensor, output_scale: Tensor) -> Tensor:
    fine = steps * 128
    scale = float(input_scale.detach().float()) / 128
    gate_factor, gate_shift = _multiplier(scale / UNIT)
    factor, shift = _multiplier(scale / float(output_scale.detach()))
    gate = fine
    if gate_shift > 0:
        gate = (gate << (gate_shift - 1)).clamp(-LIMIT - 1, LIMIT)
    gate = _half_product(gate, gate_factor, nearest=True)
    if gate_shift > 0:
        gate = (gate << 1).clamp(-LIMIT - 1, LIMIT)
    if gate_shift < 0:
        gate = _divided(gate, -gate_shift)
    gate = (gate + 32768) >> 1
    scaled = _half_product(fine, factor, nearest=True)
    return _divided(_half_product(gate, scaled, nearest=False), -shift)


def _multiplier(value: float) -> tuple[int, int]:
    """(16-bit factor, exponent) of a real factor, by way of 32 bits."""
    share, exponent = math.frexp(value)
    wide = min(round(share * 2**31), 2**31 - 1)
    return min((wide + (1 << 15)) >> 16, LIMIT), exponent


def _half_product(one: Tensor, two: Tensor | int, *, nearest: bool) -> Tensor:
    """one * two / 2**15, to the nearest or towards zero."""
    product = one * two
    if nearest:
        product = product + torch.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return torch.div(product, 1 << 15, rounding_mode="trunc")


def _divided(value: Tensor, exponent: int) -> Tensor:
    """value / 2**exponent, to the nearest, halves off zero."""
    if exponent <= 0:
        return value << -exponent
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (value < 0).long()
    return (value >> exponent) + ((value & mask) > threshold).long()
