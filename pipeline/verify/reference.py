"""The torch side of a verification."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from pipeline.artifacts import Foreign, Model
from pipeline.convert import foreign, onnx_file
from pipeline.convert.layout import arranged
from pipeline.inputs.batch import Batch
from pipeline.progress import track
from pipeline.prune.checkpoint import load

if TYPE_CHECKING:
    from pipeline.data.source import Data

BATCH = 64
PIECE = 1024


def outputs(model: Model, inputs: NDArray[np.float32] | Batch) -> list[NDArray[np.float32]]:
    """The original's outputs, each (n, ...), for inputs in its own layout."""
    if isinstance(model, Foreign):
        return foreign.outputs(model, inputs)
    graph, samples = load(model), Batch.of(inputs)
    starts = track(range(0, len(samples), BATCH), "torch reference")
    batches = [onnx_file.run(graph, samples[at : at + BATCH]) for at in starts]
    return [torch.cat(parts).numpy() for parts in zip(*batches, strict=True)]


def draw(data: Data, split: str, samples: int | None) -> NDArray[np.int64]:
    """Numbers of at most `samples` samples of a split, spread evenly; None: of all."""
    count = data.count(split)
    wanted = count if samples is None else min(samples, count)
    return np.linspace(0, count - 1, wanted).round().astype(np.int64)


def store(
    data: Data, split: str, index: NDArray[np.int64], layout: Mapping[str, Any], stem: Path
) -> Path:
    """Write samples beside `stem` in the file's layout, piece by piece: a test set may be large."""
    paths, targets = list[Path](), dict[str, NDArray[Any]]()
    for at in range(0, len(index), PIECE):
        block = arranged(data.inputs(split, index[at : at + PIECE]), layout)
        for number, array in enumerate(block.arrays):
            name = block.names[number]
            if name not in targets:
                paths.append(stem.with_name(f"{stem.name}-{number}.npy"))
                shape = (len(index), *array.shape[1:])
                targets[name] = open_memmap(paths[-1], mode="w+", dtype=array.dtype, shape=shape)
            targets[name][at : at + PIECE] = array
    return paths[0] if len(paths) == 1 else Batch(targets).save(stem)
