"""What every tensor of a float file holds over samples; the runtime's plain kernels keep them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from pipeline.convert.children.feed import Feed
from pipeline.convert.flatbuffer import items
from pipeline.inputs.batch import Batch
from pipeline.quantize.ranges import BINS, Histogram

MOST_SAMPLES = 64  # of a group that enter histograms
MOST_VALUES = 1 << 16  # of one tensor and sample that enter its histogram, evenly spread
MASKING = 1e9  # beyond it a value is a mask (-inf before a softmax), and no part of a range

Tensors = dict[int, Histogram]


def collect(data: bytes, graph: Any, groups: Sequence[NDArray[Any] | Batch]) -> list[Tensors]:
    """{tensor: histogram} of each group of samples, with equal bins.

    No group is empty. Extremes are of all samples, counts of an even part of them.
    """
    kept = Preserved(data, activations(graph))
    extremes = [_extremes(kept.run(group)) for group in groups]
    whole = {
        i: (min(e[i][0] for e in extremes), max(e[i][1] for e in extremes)) for i in kept.which
    }
    return [
        _histograms(kept.run(group[:: -(-len(group) // MOST_SAMPLES)]), seen, whole)
        for group, seen in zip(groups, extremes, strict=True)
    ]  # fmt: skip


def activations(graph: Any) -> list[int]:
    """Float tensors of a graph that samples decide: its inputs and what operators write."""
    written = {int(index) for op in items(graph.operators) for index in items(op.outputs)}
    wanted = sorted(written | {int(index) for index in items(graph.inputs)})
    return [index for index in wanted if index >= 0 and graph.tensors[index].type == 0]


class Preserved:
    """An interpreter that keeps every tensor, and what they hold sample after sample."""

    def __init__(self, data: bytes, which: Sequence[int]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # keeping all tensors is what this is for
            self.model = Interpreter(
                model_content=data, num_threads=1, experimental_preserve_all_tensors=True,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )  # fmt: skip
        self.model.allocate_tensors()
        self.which = list(which)

    def run(self, samples: NDArray[Any] | Batch) -> Iterator[dict[int, NDArray[Any]]]:
        """{tensor: values} of each sample; the arrays belong to the caller."""
        put = Feed(self.model)
        for sample in Batch.of(samples):
            put(sample)
            self.model.invoke()
            yield {index: self.model.get_tensor(index) for index in self.which}


def _extremes(values: Iterator[dict[int, NDArray[Any]]]) -> dict[int, tuple[float, float]]:
    found: dict[int, tuple[float, float]] = {}
    for sample in values:
        for index, value in sample.items():
            plain = _plain(value)
            low, high = found.get(index, (np.inf, -np.inf))
            if plain.size:
                low, high = min(low, float(plain.min())), max(high, float(plain.max()))
            found[index] = (low, high)
    return {i: (low, high) if low <= high else (0.0, 0.0) for i, (low, high) in found.items()}


def _histograms(
    values: Iterator[dict[int, NDArray[Any]]],
    seen: dict[int, tuple[float, float]],
    whole: dict[int, tuple[float, float]],
) -> Tensors:
    counts = {index: np.zeros(BINS) for index in seen}
    for sample in values:
        for index, value in sample.items():
            counts[index] += _bins(_plain(value), *whole[index])
    return {i: Histogram(*seen[i], *whole[i], counts[i]) for i in seen}


def _bins(values: NDArray[Any], start: float, stop: float) -> NDArray[np.float64]:
    values = values[:: max(1, -(-values.size // MOST_VALUES))]
    place = (values - start) * (BINS / max(stop - start, 1e-30))
    return np.bincount(place.astype(np.int64).clip(0, BINS - 1), minlength=BINS).astype(float)


def _plain(value: NDArray[Any]) -> NDArray[Any]:
    flat = value.ravel()
    usable = np.abs(flat) < MASKING  # false for NaN too
    return flat if usable.all() else flat[usable]
