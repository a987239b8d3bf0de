"""The simulation of a trained checkpoint, as it was when training ended."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

from pipeline.artifacts import QatCheckpoint
from pipeline.qat.kernels.contraction import Contraction
from pipeline.qat.network import Operator, read
from pipeline.qat.simulate import kernel_name, simulate
from pipeline.qat.spec import grids_of
from pipeline.quantize.trained import FILE, tensors


@torch.no_grad()
def restore(model: QatCheckpoint) -> fx.GraphModule:
    """The int8 inference of a trained checkpoint as a torch graph: what its file must answer."""
    network = read(model.file(FILE))
    simulated = simulate(network, model.meta["qat"]["layout"])
    spec = {entry["tensor"]: entry for entry in tensors(model)}
    for index, grid in grids_of(network, simulated).items():
        grid.start.fill_(spec[index]["scales"][0])
        grid.zero_point.fill_(float(spec[index]["zero_points"][0]))
    for operator in network.operators:
        kernel = simulated.get_submodule(kernel_name(operator))
        if isinstance(kernel, Contraction):
            _pin(kernel, operator, spec)
    return simulated


def _pin(kernel: Contraction, operator: Operator, spec: dict[int, dict[str, Any]]) -> None:
    scales = torch.tensor(spec[operator.inputs[kernel.weights_at]]["scales"])
    kernel.weights.pin(scales)
