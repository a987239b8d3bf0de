"""Samples of everything that a model takes: arrays (or tensors), one an input, samples first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np


class Batch:
    """As an array along its samples: `len`, slices, and one sample after another.

    The names are those of the inputs, in the order in which the model takes them; where it takes
    one, its name does not matter.
    """

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self._by_name = dict(arrays)

    @staticmethod
    def of(given: Any) -> Batch:
        """A batch as it is; an array is that of the only input."""
        return given if isinstance(given, Batch) else Batch({"": given})

    @property
    def arrays(self) -> tuple[Any, ...]:
        """One an input, each (n, ...): what the model is called with."""
        return tuple(self._by_name.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the inputs."""
        return tuple(self._by_name)

    def by_name(self, name: str) -> Any:
        """The array of one input."""
        return self.arrays[0] if len(self._by_name) == 1 else self._by_name[name]

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: Any) -> Batch:
        return self.map(lambda array: array[index])

    def __iter__(self) -> Iterator[Batch]:
        """Each sample as a batch of one."""
        return (self[number : number + 1] for number in range(len(self)))

    def map(self, change: Callable[[Any], Any]) -> Batch:
        """Every array changed in the same way."""
        return Batch({name: change(array) for name, array in self._by_name.items()})

    def tensors(self) -> Batch:
        """The same in torch."""
        import torch

        return self.map(
            lambda a: a if isinstance(a, torch.Tensor) else torch.from_numpy(np.asarray(a))
        )

    def double(self) -> Batch:
        """Tensors with floats in float64; integers stay."""
        return self.tensors().map(lambda t: t.double() if t.is_floating_point() else t)

    def joined(self, other: Batch) -> Batch:
        """This one's samples, then the other's; arrays."""
        return Batch({
            name: np.concatenate([array, other.by_name(name)])
            for name, array in self._by_name.items()
        })  # fmt: skip

    def save(self, stem: Path) -> Path:
        """Write it beside others: `stem`.npy for one input, `stem`.npz for several, by name."""
        if len(self._by_name) == 1:
            path = stem.with_name(f"{stem.name}.npy")
            np.save(path, self.arrays[0], allow_pickle=False)
        else:
            path = stem.with_name(f"{stem.name}.npz")
            np.savez(path, allow_pickle=False, **self._by_name)
        return path


def saved(stem: Path) -> Path | None:
    """The file that `save` wrote, if it did."""
    paths = [stem.with_name(f"{stem.name}{suffix}") for suffix in (".npy", ".npz")]
    return next((path for path in paths if path.is_file()), None)


def load(path: Path) -> Batch:
    """What `save` wrote."""
    opened: Any = np.load(path, allow_pickle=False)
    if isinstance(opened, np.ndarray):
        return Batch.of(opened)
    with opened:
        return Batch({name: opened[name] for name in opened.files})
