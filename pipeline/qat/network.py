"""A float .tflite file as operators and tensors that a simulation can be built from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.convert.flatbuffer import TYPES, items, operator_name, pack, reading
from pipeline.convert.integer_form import AFFINE, integer_form
from pipeline.convert.joins import float_joins
from pipeline.errors import Refused
from pipeline.qat.legalise import legalise
from pipeline.quantize.ranges import Range

MISSING = -1
SIMULATED = frozenset({"AVERAGE_POOL_2D"}) | AFFINE
"""As they are: weights that are no parameters of a convolution have no place in torch."""


@dataclass(frozen=True)
class Tensor:
    """One tensor; `data` is its constant value, None for an activation. The batch is 1."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    data: NDArray[Any] | None

    @property
    def is_float(self) -> bool:
        """Whether it is quantized: what is not float holds shapes, axes and indices."""
        return self.dtype == "FLOAT32"


@dataclass(frozen=True)
class Operator:
    """One operator; `options` are the schema's own, `inputs` may hold MISSING."""

    index: int
    name: str
    options: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Network:
    """The main graph of a file, legalised; `outputs` are {name in the signature: tensor}."""

    model: Any
    tensors: Sequence[Tensor]
    operators: Sequence[Operator]
    inputs: tuple[int, ...]
    outputs: Mapping[str, int]

    def operands(self, operator: Operator) -> list[Tensor | None]:
        """The operator's inputs as tensors, in place."""
        return [None if i == MISSING else self.tensors[i] for i in operator.inputs]

    def activations(self, operator: Operator) -> list[Tensor]:
        """The inputs that another operator or the user computes."""
        return [t for t in self.operands(operator) if t is not None and t.data is None]

    def to_bytes(self) -> bytes:
        """The legalised file."""
        return pack(self.model)


def read(path: Path, ranges: Mapping[int, Range] = {}) -> Network:
    """Read a float file in the form that quantizing gives it, and legalise it.

    Where `ranges` (of the file's tensors) tell outputs that join unlike parts, these are float.

    Raises:
        UsageError: no whole .tflite file.
        Refused: it has control flow.
    """
    with reading(path) as model:
        if len(model.subgraphs) != 1:
            what = f"{len(model.subgraphs)} subgraphs: control flow cannot be trained in int8"
            raise Refused(what, where=path.name, fix="unroll the loop, or quantize without qat")
        integer_form(model, keep=SIMULATED)
        float_joins(model, ranges)
        legalise(model)
        return _network(model)


def _network(model: Any) -> Network:
    graph = model.subgraphs[0]
    tensors = [_tensor(model, number, one) for number, one in enumerate(graph.tensors)]
    operators = [
        Operator(
            number, operator_name(model, one), one.builtinOptions,
            tuple(int(i) for i in items(one.inputs)), tuple(int(i) for i in items(one.outputs)),
        )
        for number, one in enumerate(graph.operators)
    ]  # fmt: skip
    inputs = tuple(int(i) for i in graph.inputs)
    return Network(model, tensors, operators, inputs, _outputs(model, graph))


def _outputs(model: Any, graph: Any) -> dict[str, int]:
    if model.signatureDefs:
        entries = items(model.signatureDefs[0].outputs)
        return {entry.name.decode(): int(entry.tensorIndex) for entry in entries}
    return {f"output_{n}": int(index) for n, index in enumerate(graph.outputs)}


def _tensor(model: Any, index: int, tensor: Any) -> Tensor:
    dtype, shape = TYPES[tensor.type], tuple(int(size) for size in items(tensor.shape))
    raw, data = model.buffers[tensor.buffer].data, None
    if raw is not None and len(raw):
        plain = np.asarray(raw, np.uint8)
        data = plain.view(getattr(np, dtype.lower())).reshape(shape)
    return Tensor(index, tensor.name.decode(), shape, dtype, data)
