"""Ranges to start from: the clipping that costs the least squared error over train samples."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from pipeline.convert.live import ALL, live_ranges
from pipeline.qat.grid import HIGH, LEVELS, LOW, Grid
from pipeline.qat.network import Network
from pipeline.qat.simulate import set_floating, tensor_ranges
from pipeline.qat.spec import grids_of
from pipeline.quantize.ranges import Range

SHRINK = torch.linspace(1.0, 0.3, 29)
KEPT = 1 << 16  # values a tensor over which the error is judged


@torch.no_grad()
def calibrate(network: Network, model: fx.GraphModule, x: Tensor, batch_size: int = 64) -> None:
    """Set every grid of a simulation from its float values over `x`, (n, *input)."""
    kept: dict[Grid, list[Tensor]] = {}
    live = live_ranges(network.model)
    grids = grids_of(network, model)
    set_floating(model, True)
    try:
        for start in range(0, len(x), batch_size):
            for index, values in tensor_ranges(model, x[start : start + batch_size]).items():
                if index not in grids:
                    continue  # it stays float
                matter = values.clamp(*live.get(index, ALL))
                kept.setdefault(grids[index], []).append(_thinned(matter, len(x)))
    finally:
        set_floating(model, False)
    for grid, parts in kept.items():
        grid.set_range(*best_range(torch.cat(parts)))


def extremes(model: fx.GraphModule, x: Tensor) -> dict[int, Range]:
    """{tensor of the file: (least, largest)} of a simulation's float values over `x`."""
    set_floating(model, True)
    try:
        seen = tensor_ranges(model, x)
    finally:
        set_floating(model, False)
    return {index: (float(v.min()), float(v.max())) for index, v in seen.items() if v.numel()}


def _thinned(values: Tensor, samples: int) -> Tensor:
    """Some of the values, evenly, and always both ends."""
    flat = values.reshape(-1)
    step = max(1, flat.numel() * max(1, samples // max(1, len(values))) // KEPT)
    return torch.cat([flat[::step], flat.amin()[None], flat.amax()[None]])


def best_range(values: Tensor) -> tuple[float, float]:
    """(low, high) that quantizes `values` with the least squared error (Banner et al. 2019)."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if high == low:
        return low, high
    errors = [_error(values, low * share, high * share) for share in SHRINK.tolist()]
    share = SHRINK.tolist()[errors.index(min(errors))]
    return low * share, high * share


def _error(values: Tensor, low: float, high: float) -> float:
    scale = (high - low) / LEVELS
    zero_point = round(LOW - low / scale)
    steps = (values / scale).round().clamp(LOW - zero_point, HIGH - zero_point)
    return float((steps * scale - values).square().mean())
