"""Convolutions and matrix products over weights that are trained on their own int8 grid."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.qat.grid import HIGH, rounded
from pipeline.qat.kernels import (
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
LARGEST_BIAS = 2.0**30  # a channel of tiny weights takes a larger step rather than overflow int32


class Weights(nn.Module):
    """Weights and biases, output channels first, trained in units of the step they start with.

    Per channel, symmetric: scale = max|w| / 127, as the converter has it. In those units one
    learning rate suits every channel, however large batch norm's factors made its weights.
    """

    unit: Tensor
    bias_unit: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.has_bias = bias is not None
        self.pinned: Tensor | None = None
        bias = torch.zeros(len(weight)) if bias is None else bias
        largest = _largest(weight)
        largest = torch.where(largest > 0, largest, largest.max().clamp(min=1e-6))
        self.register_buffer("unit", largest / HIGH)
        self.register_buffer("bias_unit", bias.abs().max().clamp(min=1e-6) / HIGH)
        self.weight = nn.Parameter(weight / _spread(self.unit, weight))
        self.bias = nn.Parameter(bias / self.bias_unit, requires_grad=self.has_bias)

    def freeze(self, *, weight: bool, bias: bool) -> None:
        """Leave at its value what has no place in the torch model to go back to."""
        self.weight.requires_grad_(not weight)
        self.bias.requires_grad_(self.has_bias and not bias)

    def pin(self, scales: Tensor) -> None:
        """Keep these scales, bit for bit; the weights stand on their grid already."""
        self.pinned = scales

    def real(self) -> tuple[Tensor, Tensor]:
        """Weights (out, ...) and biases (out,) in float."""
        return self.weight * _spread(self.unit, self.weight), self.bias * self.bias_unit

    def scales(self, input_scale: Tensor) -> Tensor:
        """The weights' steps, (out,) float32, as they go into the file."""
        if self.pinned is not None:
            return self.pinned
        weight, bias = (value.detach() for value in self.real())
        largest = _largest(weight)
        scales = torch.where(largest > 0, largest / HIGH, self.unit)
        return torch.maximum(scales, bias.abs() / (input_scale.detach() * LARGEST_BIAS))

    def integers(self, input_scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights and biases in steps, and the weights' scales."""
        weight, bias = self.real()
        scales = self.scales(input_scale)
        steps = rounded(weight / _spread(scales, weight)).clamp(-HIGH, HIGH)
        return steps, rounded(bias / (input_scale * scales)), scales


class Contraction(Kernel):
    """Integer sums, then one float32 factor a channel: XNNPACK's "fp32" requantization."""

    weights_at, bias_at = 1, 2
    channel_axis = 0
    """Of the file's weights; the scales run along it."""
    out_axis = -1

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        operands = place.operands
        weight = operands[self.weights_at]
        bias = operands[self.bias_at] if len(operands) > self.bias_at else None
        if weight is None or weight.data is None or (bias and bias.data is None):
            raise Unknown("its weights are computed while running")
        given = None if bias is None else torch.from_numpy(np.array(bias.data))
        self.weights = Weights(self.arranged(torch.from_numpy(np.array(weight.data))), given)

    def arranged(self, weight: Tensor) -> Tensor:
        """The file's weights in torch's order, output channels first."""
        return weight

    def filed(self, weight: Tensor) -> Tensor:
        """The inverse of `arranged`."""
        return weight

    def contract(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """The float operator without its fused activation."""
        raise NotImplementedError

    def real(self, *values: Tensor) -> Tensor:
        return self.fused(self.contract(values[0], *self.weights.real()))

    def integer(self, *steps: Tensor) -> Tensor:
        input_scale = self.inputs[0].scale()
        weight, bias, scales = self.weights.integers(input_scale)
        factor = input_scale * scales / self.out.scale()
        return self.stored(rounded(self.contract(steps[0], weight, bias) * factor))


@kernel("CONV_2D")
class Convolution(Contraction):
    """Grouped where the weights have fewer input channels than the input."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        _, height, width, channels = place.shape()
        kernel_size = self.weights.weight.shape[2:]
        self.stride = place.option("strideH", 1), place.option("strideW", 1)
        self.dilation = place.option("dilationHFactor", 1), place.option("dilationWFactor", 1)
        self.groups = channels // self.weights.weight.shape[1]
        same = place.option("padding") == SAME
        axes = zip((height, width), kernel_size, self.stride, self.dilation, strict=True)
        self.pads = [same_padding(*axis) if same else (0, 0) for axis in axes]

    def arranged(self, weight: Tensor) -> Tensor:
        return weight.permute(0, 3, 1, 2).contiguous()

    def filed(self, weight: Tensor) -> Tensor:
        return weight.permute(0, 2, 3, 1)

    def contract(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(n, h, w, c) with weights (out, c / groups, kh, kw) -> (n, h', w', out)."""
        x = padded(images(x), self.pads)
        made = functional.conv2d(
            x, weight, bias, self.stride, dilation=self.dilation, groups=self.groups
        )
        return channels_last(made)


@kernel("DEPTHWISE_CONV_2D")
class Depthwise(Convolution):
    """A group for each input channel; the file's weights are (1, kh, kw, out)."""

    channel_axis = 3

    def arranged(self, weight: Tensor) -> Tensor:
        return weight.permute(3, 0, 1, 2).contiguous()

    def filed(self, weight: Tensor) -> Tensor:
        return weight.permute(1, 2, 3, 0)


@kernel("FULLY_CONNECTED")
class Linear(Contraction):
    """A linear layer; what stands before the last axis is folded into the batch unless kept."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.keep = bool(place.option("keepNumDims", False))
        if place.option("weightsFormat", 0):
            raise Unknown("its weights are shuffled")

    def contract(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(n, ..., in) -> (n, ..., out), or (n', out)."""
        x = x if self.keep else x.reshape(-1, weight.shape[1])
        return functional.linear(x, weight, bias)


@kernel("TRANSPOSE_CONV")
class Transposed(Contraction):
    """A transposed convolution; operands: output shape, weights (out, kh, kw, in), input, bias."""

    bias_at = 3

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.stride = place.option("strideH", 1), place.option("strideW", 1)
        full = [
            (size - 1) * stride + kernel_size
            for size, stride, kernel_size in zip(
                place.shape(2)[1:3], self.stride, self.weights.weight.shape[2:], strict=True
            )
        ]
        self.size = place.out_shape[1:3]
        same = place.option("padding") == SAME
        over = [max(f - size, 0) for f, size in zip(full, self.size, strict=True)]
        self.start = [extra // 2 if same else 0 for extra in over]

    def arranged(self, weight: Tensor) -> Tensor:
        return weight.permute(0, 3, 1, 2).contiguous()

    def filed(self, weight: Tensor) -> Tensor:
        return weight.permute(0, 2, 3, 1)

    def contract(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """(n, h, w, c) -> (n, h', w', out), cut to the size that the file names."""
        made = functional.conv_transpose2d(images(x), weight.transpose(0, 1), bias, self.stride)
        (top, left), (height, width) = self.start, self.size
        return channels_last(made[:, :, top : top + height, left : left + width])


def _largest(weight: Tensor) -> Tensor:
    """Largest magnitude of each output channel, (out,)."""
    return weight.detach().abs().flatten(1).amax(1)


def _spread(scales: Tensor, weight: Tensor) -> Tensor:
    """(out,) in a shape that multiplies weights (out, ...)."""

    return scales.view(-1, *[1] * (weight.ndim - 1))
