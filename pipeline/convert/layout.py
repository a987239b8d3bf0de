"""Which output of a converted file is which of torch's, and how its axes are permuted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.errors import Refused
from pipeline.inputs.batch import Batch

LIMIT_DB = 200.0
MIN_MATCH_DB = 20.0  # a wrong axis order or output correlates with the right one below this


def input_permutation(rank: int) -> list[int]:
    """Axis order that takes a torch input to the file's: channels go last (N C H W -> N H W C)."""
    return [0, *range(2, rank), 1] if rank > 2 else list(range(rank))


def given(layout: Mapping[str, Any]) -> list[tuple[str, list[int]]]:
    """(name in the file, axis order) of each input, as the model takes them.

    Of a file with one input a layout has the order alone: its name does not matter.
    """
    entries = layout["input"]
    if not entries or isinstance(entries[0], int):
        return [("", list(entries))]
    return [(entry["name"], list(entry["order"])) for entry in entries]


def noted(entries: Sequence[tuple[str, Sequence[int]]]) -> list[Any]:
    """The other way round, for a layout's `input`."""
    if len(entries) == 1:
        return list(entries[0][1])
    return [{"name": name, "order": list(order)} for name, order in entries]


def arranged(samples: Any, layout: Mapping[str, Any]) -> Batch:
    """Samples in the model's own layout as the file takes them: its axes, and its names."""
    pairs = zip(given(layout), Batch.of(samples).arrays, strict=True)
    return Batch({
        name: np.ascontiguousarray(array.transpose(order)) for (name, order), array in pairs
    })  # fmt: skip


def sqnr_db(reference: np.ndarray, value: np.ndarray) -> float:
    """Signal to error power of `value` against `reference` in dB, -200 (NaN) to 200."""
    return ratio_db(power(reference), power(_signed(reference) - _signed(value)))


def samples_first(answers: Sequence[np.ndarray]) -> np.ndarray:
    """One array of a network's answers to one sample each, the samples as its first axis.

    That takes the place of the batch of 1. An output without a batch (anchors, a sum over all)
    gets the axis.
    """
    return np.stack([each[0] if len(each.shape) and len(each) == 1 else each for each in answers])


def samples_order(order: Sequence[int], shape: Sequence[int]) -> list[int]:
    """An axis order of one sample's answer of `shape`, as one of `samples_first`'s."""
    has_batch = len(shape) > 0 and shape[0] == 1
    return list(order) if has_batch else [0, *(axis + 1 for axis in order)]


def _signed(values: np.ndarray) -> np.ndarray:
    """Booleans and integers as numbers that can be subtracted."""
    return values if values.dtype.kind == "f" else values.astype(np.float64)


def ratio_db(signal: float, error: float) -> float:
    """Two powers' ratio in dB, -200 (an error that is no number) to 200."""
    if not math.isfinite(error):
        return -LIMIT_DB
    found_db = 10 * math.log10(max(signal, 1e-30) / max(error, 1e-300))
    return max(-LIMIT_DB, min(LIMIT_DB, found_db))


def power(values: np.ndarray) -> float:
    """Sum of squares, in float64."""
    return float(np.sum(np.square(values, dtype=np.float64)))


def match_outputs(
    reference: Sequence[np.ndarray],
    outputs: Mapping[str, np.ndarray],
    minimum_db: float = MIN_MATCH_DB,
) -> list[tuple[str, list[int]]]:
    """(name in the file, permutation to torch's axes) for each torch output, by value.

    Neither order nor shape settles it: converters reorder outputs, and axes of equal length hide
    a transposition. First axis: samples.

    Raises:
        Refused: an output of torch has no counterpart in the file.
    """
    free = dict(outputs)
    found = []
    for index, want in enumerate(reference):
        match = _best(want, free, minimum_db)
        if match is None:
            raise Refused(
                f"no output of the file agrees with output {index} of the torch model",
                fix="see whether it is the same model and the same weights",
            )
        found.append(match)
        free.pop(match[0])
    return found


def _best(
    want: np.ndarray, outputs: Mapping[str, np.ndarray], minimum_db: float
) -> tuple[str, list[int]] | None:
    ranked = [
        (sqnr_db(want, value.transpose(order)), -index, name, order)
        for index, (name, value) in enumerate(outputs.items())
        for order in _orders(value.shape, want.shape)
    ]
    if not ranked:
        return None
    quality, _, name, order = max(ranked, key=lambda entry: entry[:2])
    return (name, order) if quality >= minimum_db else None


def _orders(shape: tuple[int, ...], want: tuple[int, ...]) -> list[list[int]]:
    """Permutations that keep the samples first and give the wanted shape."""
    if len(shape) != len(want):
        return []
    rest = itertools.permutations(range(1, len(shape)))
    orders = [[0, *order] for order in rest]
    return [order for order in orders if tuple(shape[axis] for axis in order) == want]
