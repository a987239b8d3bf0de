"""Multiply-accumulates of one inference of a .tflite file: the least work that any runtime does."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.convert.flatbuffer import TYPES, items, operator_name, reading

INTEGER = frozenset({"INT2", "INT4", "INT8", "UINT8", "INT16"})
HALF_MARK = b"reduced_precision_support"


@dataclass(frozen=True)
class Macs:
    """MACs with integer weights, and with float ones; `half`: the file allows 16-bit floats.

    What is not counted (activations, pooling, recurrent cells, sparse weights, subgraphs that are
    called) can only add, so the sum is a lower bound.
    """

    integer: int
    floating: int
    half: bool = False

    @property
    def total(self) -> int:
        """All of them."""
        return self.integer + self.floating


def count(path: Path) -> Macs:
    """Count the main graph of a file; a free axis counts as 1.

    Raises:
        UsageError: no whole .tflite file.
    """
    with reading(path) as model:
        graph, sums = model.subgraphs[0], {True: 0, False: 0}
        for operator in items(graph.operators):
            rule = RULES.get(operator_name(model, operator))
            if rule is None:
                continue
            weights, number = rule(_Shapes(graph, operator))
            if weights.sparsity is None:
                sums[TYPES[weights.type] in INTEGER] += number
        half = any(HALF_MARK in (entry.name or b"") for entry in items(model.metadata))
        return Macs(integer=sums[True], floating=sums[False], half=half)


class _Shapes:
    """The tensors of one operator."""

    def __init__(self, graph: Any, operator: Any) -> None:
        self._graph, self.operator = graph, operator

    def input(self, number: int) -> Any:
        return self._graph.tensors[self.operator.inputs[number]]

    @property
    def output_elements(self) -> int:
        return math.prod(shape(self._graph.tensors[self.operator.outputs[0]]))


def shape(tensor: Any) -> list[int]:
    """Sizes of a tensor; an unknown one counts as 1."""
    return [max(1, int(size)) for size in items(tensor.shape)]


def _conv(op: _Shapes) -> tuple[Any, int]:
    """CONV_2D: weights (out, height, width, in a group); CONV_3D: (depth, h, w, in, out)."""
    weights = op.input(1)
    return weights, op.output_elements * math.prod(shape(weights)[1:])


def _conv_3d(op: _Shapes) -> tuple[Any, int]:
    weights = op.input(1)
    return weights, op.output_elements * math.prod(shape(weights)[:-1])


def _depthwise(op: _Shapes) -> tuple[Any, int]:
    """Weights (1, height, width, out)."""
    weights = op.input(1)
    return weights, op.output_elements * math.prod(shape(weights)[1:3])


def _transposed(op: _Shapes) -> tuple[Any, int]:
    """Inputs (output shape, weights (out, height, width, in), values): each value meets each weight
    of its channel."""
    weights, values = op.input(1), op.input(2)
    out, height, width, _ = shape(weights)
    return weights, math.prod(shape(values)) * out * height * width


def _fully_connected(op: _Shapes) -> tuple[Any, int]:
    """Weights (out, in)."""
    weights = op.input(1)
    return weights, op.output_elements * shape(weights)[-1]


def _matmul(op: _Shapes) -> tuple[Any, int]:
    """(..., m, k) times (..., k, n), either one perhaps transposed."""
    left = op.input(0)
    transposed = bool(getattr(op.operator.builtinOptions, "adjX", False))
    return op.input(1), op.output_elements * shape(left)[-2 if transposed else -1]


RULES: dict[str, Callable[[_Shapes], tuple[Any, int]]] = {
    "CONV_2D": _conv,
    "CONV_3D": _conv_3d,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "FULLY_CONNECTED": _fully_connected,
    "BATCH_MATMUL": _matmul,
}
