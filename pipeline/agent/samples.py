"""Samples for a model: from a file in the model's own layout, else seeded random ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from .tensors import Array, Detail, names, quantize, random_input


class Samples:
    """Input samples by number; `count` of them, quantized as they are asked for.

    A `.npy` (n, *shape) is for a model with one input; several take an `.npz` with one array a
    name. Where the file's own shape begins with a batch of 1, the samples leave that axis out.
    """

    def __init__(self, path: str, details: list[Detail], keys: list[str]) -> None:
        arrays = _open(path, keys)
        self.count = min(len(a) for a in arrays)
        self.batched = False
        if not self.count or any(len(a) != self.count for a in arrays):
            raise ValueError(f"{path}: inputs with {[len(a) for a in arrays]} samples")
        self._parts = list(zip(arrays, details))
        for array, detail in self._parts:
            self.batched |= _batched(path, array, detail)

    def block(self, start: int, stop: int) -> list[list[Array]]:
        """Samples start..stop, each a list of one array per input, ready for `set_tensor`."""
        columns = []
        for array, detail in self._parts:
            values = quantize(np.asarray(array[start:stop]), detail)
            columns.append(values.reshape(len(values), *detail["shape"]))
        return [list(row) for row in zip(*columns)]


def pool(model: Any, path: str | None, most: int) -> list[list[Array]]:
    """At most `most` inputs to run in turn, so that no cache can learn a single one."""
    details = model.get_input_details()
    if path is None:
        return [[random_input(detail) for detail in details]]
    samples = Samples(path, details, names(model, "input"))
    return samples.block(0, min(most, samples.count))


def _open(path: str, keys: list[str]) -> list[Array]:
    """One array per input; a `.npy` is mapped, not read."""
    try:
        opened: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as problem:
        raise ValueError(f"{path}: not a .npy or .npz of plain numbers ({problem})") from None
    if isinstance(opened, np.ndarray):
        arrays: dict[str, Array] = {keys[0]: opened}
    else:
        arrays = dict(opened)
    if set(keys) != set(arrays):
        raise ValueError(f"{path}: the inputs are {keys}, the file holds {list(arrays)}")
    return [arrays[key] for key in keys]


def _batched(path: str, array: Array, detail: Detail) -> bool:
    """Whether samples lack the model's batch axis of 1. Raises ValueError where nothing fits."""
    shape, given = tuple(int(n) for n in detail["shape"]), tuple(array.shape[1:])
    if given == shape:
        return False
    if shape[:1] == (1,) and given == shape[1:]:
        return True
    raise ValueError(
        f"{path}: samples have the shape {given}, input {detail['name']} needs {shape}"
    )
