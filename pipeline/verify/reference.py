"""The torch side of a verification."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from pipeline.artifacts import Foreign, Model
from pipeline.convert import foreign, onnx_file
from pipeline.progress import track
from pipeline.prune.checkpoint import load

if TYPE_CHECKING:
    from pipeline.data.source import Data

BATCH = 64
PIECE = 1024


def outputs(model: Model, inputs: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The original's outputs, each (n, ...), for inputs in its own layout."""
    if isinstance(model, Foreign):
        return foreign.outputs(model, inputs)
    graph = load(model)
    starts = track(range(0, len(inputs), BATCH), "torch reference")
    batches = [onnx_file.run(graph, torch.from_numpy(inputs[at : at + BATCH])) for at in starts]
    return [torch.cat(parts).numpy() for parts in zip(*batches, strict=True)]


def draw(data: Data, split: str, samples: int | None) -> NDArray[np.int64]:
    """Numbers of at most `samples` samples of a split, spread evenly; None: of all."""
    count = data.count(split)
    wanted = count if samples is None else min(samples, count)
    return np.linspace(0, count - 1, wanted).round().astype(np.int64)


def store(data: Data, split: str, index: NDArray[np.int64], order: list[int], path: Path) -> None:
    """Write samples to an .npy in the file's layout, piece by piece: a test set may be large."""
    target: NDArray[np.float32] | None = None
    for at in range(0, len(index), PIECE):
        block = data.inputs(split, index[at : at + PIECE]).transpose(order)
        if target is None:
            shape = (len(index), *block.shape[1:])
            target = open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        target[at : at + PIECE] = block
