"""Where a quantized file loses accuracy: each tensor's error, and what each layer added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.artifacts import Deployable, Model
from pipeline.convert.correspondence import (
    Match,
    Values,
    correspond,
    file_activations,
    torch_activations,
)
from pipeline.convert.flatbuffer import items, operator_name, reading
from pipeline.convert.layout import arranged, sqnr_db
from pipeline.inputs.batch import Batch
from pipeline.prune.checkpoint import load

if TYPE_CHECKING:
    from numpy.typing import NDArray

FLOAT, TIMEOUT_S = "float.tflite", 600.0


@dataclass(frozen=True)
class Layer:
    """One tensor of the file, in its order.

    `float_db` and `file_db` are the signal-to-error ratios of the float file and of this file
    against torch (against the float file where `torch` is empty). `added` is the error power that
    this layer adds to what its inputs bring, as a share of the signal (0.01: 20 dB).
    """

    tensor: str
    operator: str
    torch: str
    source: str
    float_db: float
    file_db: float
    added: float


def layers(
    made: Deployable, reference: Model | None, x: NDArray[np.float32] | Batch, scratch: Path
) -> list[Layer]:
    """Attribute a deployable's error, layer by layer, over samples in torch's layout.

    Raises:
        Refused: the runtime does not run one of the files.
    """
    moved = arranged(x, made.meta["layout"])
    path, plain = made.file(made.meta["file"]), made.file(FLOAT)
    in_float = file_activations(plain, moved, scratch / "float", TIMEOUT_S)
    in_file = file_activations(path, moved, scratch / "file", TIMEOUT_S)
    matches: dict[int, Match] = {}
    activations: dict[str, Values] = {}
    if reference is not None:
        graph = load(reference)
        activations = torch_activations(graph, Batch.of(x).tensors())
        matches = correspond(graph, activations, in_float)
    twins = _by_name(path, plain)
    return list(_rows(path, twins, in_file, in_float, matches, activations))


def worst(found: list[Layer], count: int) -> list[Layer]:
    """The layers that add the most error, the worst first."""
    return sorted(found, key=lambda layer: -layer.added)[:count]


def to_json(found: list[Layer]) -> list[dict[str, Any]]:
    """The layers as plain JSON."""
    return [asdict(layer) for layer in found]


def _by_name(path: Path, plain: Path) -> dict[int, int]:
    """{tensor of the file: the float file's tensor of the same name and shape}."""
    with reading(plain) as model:
        tensors = enumerate(model.subgraphs[0].tensors)
        known = {(t.name, tuple(items(t.shape))): index for index, t in tensors}
    with reading(path) as model:
        tensors = enumerate(model.subgraphs[0].tensors)
        keys = {index: (t.name, tuple(items(t.shape))) for index, t in tensors}
    return {index: known[key] for index, key in keys.items() if key in known}


def _rows(
    path: Path, twins: Mapping[int, int], in_file: Mapping[int, Values],
    in_float: Mapping[int, Values], matches: Mapping[int, Match],
    activations: Mapping[str, Values],
) -> Iterator[Layer]:  # fmt: skip
    noise: dict[int, float] = {}
    with reading(path) as model:
        graph = model.subgraphs[0]
        for operator in graph.operators:
            brought = max((noise.get(int(i), 0.0) for i in items(operator.inputs)), default=0.0)
            for index in (int(i) for i in items(operator.outputs)):
                twin = twins.get(index)
                if twin is None or index not in in_file or twin not in in_float:
                    noise[index] = brought
                    continue
                match, close = matches.get(twin), in_float[twin]
                want = close
                if match is not None:
                    want = match.in_file_layout(activations[match.node], close.shape)
                file_db = sqnr_db(want, in_file[index])
                noise[index] = 10 ** (-file_db / 10)
                name = graph.tensors[index].name.decode()
                yield Layer(
                    name, operator_name(model, operator),
                    match.node if match else "", match.source if match else "",
                    round(sqnr_db(want, close), 1), round(file_db, 1),
                    max(0.0, noise[index] - brought),
                )  # fmt: skip
