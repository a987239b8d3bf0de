"""What a trained simulation says of each tensor of its file: the QuantSpec."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from pipeline.qat.grid import Grid, Real
from pipeline.qat.kernels.arithmetic import Binary
from pipeline.qat.kernels.contraction import Contraction
from pipeline.qat.network import Network, Operator
from pipeline.qat.simulate import kernel_name

Entry = dict[str, Any]


@torch.no_grad()
def quant_spec(network: Network, model: fx.GraphModule) -> list[Entry]:
    """One entry a float tensor: index, name, dtype, scales (float32 exactly), zero points, axis.

    The constants' values are written back into the network's file, on their grid.
    """
    entries = []
    grids = grids_of(network, model)
    for index, grid in grids.items():
        entries.append(_entry(network, index, "int8", grid.scale(), int(grid.zero_point.item())))
    for operator in network.operators:
        entries += _constants(network, operator, _kernel(model, operator))
    return sorted(entries, key=lambda entry: entry["tensor"])


def grids_of(network: Network, model: fx.GraphModule) -> dict[int, Grid]:
    """{tensor that is computed on a grid: which}."""
    enter: Any = model.get_submodule("enter")
    found: dict[int, Grid] = {network.inputs[0]: enter.grid}
    for operator in network.operators:
        out = _kernel(model, operator).out
        if not isinstance(out, Real):
            found.update(dict.fromkeys(operator.outputs, out))
    return found


def _kernel(model: fx.GraphModule, operator: Operator) -> Any:
    return model.get_submodule(kernel_name(operator))


def _constants(network: Network, operator: Operator, kernel: Any) -> list[Entry]:
    if isinstance(kernel, Contraction):
        return _weights(network, operator, kernel)
    if isinstance(kernel, Binary):
        return [
            _entry(network, operator.inputs[place], "int8", constant.grid.scale(),
                   int(constant.grid.zero_point.item()))
            for place, constant in kernel.constants.items()
        ]  # fmt: skip
    floats = [t for t in network.operands(operator) if t and t.data is not None and t.is_float]
    zero_point = int(kernel.out.zero_point.item())
    return [_entry(network, t.index, "int8", kernel.out.scale(), zero_point) for t in floats]


def _weights(network: Network, operator: Operator, kernel: Contraction) -> list[Entry]:
    """The weights' and the bias's entries; both are stored on their grid."""
    input_scale = kernel.inputs[0].scale()
    weight, bias, scales = kernel.weights.integers(input_scale)
    index = operator.inputs[kernel.weights_at]
    spread = scales.view(-1, *[1] * (weight.ndim - 1))
    _store(network, index, kernel.filed(weight * spread))
    entries = [_entry(network, index, "int8", scales, 0, kernel.channel_axis)]
    if len(operator.inputs) > kernel.bias_at and operator.inputs[kernel.bias_at] >= 0:
        steps, index = input_scale * scales, operator.inputs[kernel.bias_at]
        _store(network, index, bias * steps)
        entries.append(_entry(network, index, "int32", steps, 0, 0))
    return entries


def _store(network: Network, index: int, values: Tensor) -> None:
    tensor = network.model.subgraphs[0].tensors[index]
    data = np.ascontiguousarray(values.numpy()).reshape(-1).view(np.uint8)
    network.model.buffers[tensor.buffer].data = data


def _entry(
    network: Network, index: int, dtype: str, scales: Tensor, zero_point: int, axis: int = 0
) -> Entry:
    numbers = [float(scale) for scale in scales.detach().reshape(-1)]
    return {
        "tensor": index, "name": network.tensors[index].name, "dtype": dtype, "scales": numbers,
        "zero_points": [zero_point] * len(numbers), "axis": axis,
    }  # fmt: skip
