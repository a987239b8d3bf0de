"""A part of the train split: training in int8 starts from a trained model and needs less of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data.source import Data


class Part(Data):
    """The same data with `samples` train samples, drawn by `seed`; the other splits stay whole."""

    def __init__(self, whole: Data, samples: int | None, seed: int) -> None:
        self.whole = whole
        count = whole.count("train")
        draw = np.random.default_rng([seed, count]).permutation(count)
        self.index = np.sort(draw[: samples or count])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    def count(self, split: str) -> int:
        """Number of samples."""
        return len(self.index) if split == "train" else self.whole.count(split)

    def inputs(self, split: str, index: Any = None) -> Any:
        """Normalised samples, float32 (n, *input)."""
        return self.whole.inputs(split, self._of(split, index))

    def targets(self, split: str, index: Any = None) -> NDArray[Any]:
        """Targets, (n, ...)."""
        return self.whole.targets(split, self._of(split, index))

    def loss(self) -> Any:
        """The recipe's loss."""
        return self.whole.loss()

    def metric(self, outputs: NDArray[Any], targets: NDArray[Any]) -> float:
        """The recipe's metric."""
        return self.whole.metric(outputs, targets)

    def _of(self, split: str, index: Any) -> Any:
        if split != "train":
            return index
        return self.index if index is None else self.index[index]
