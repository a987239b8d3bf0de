"""Splits as arrays, checked once where they enter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import Ports

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Samples `x` (n, *input), uint8 or float32, or of each input; their targets `y` (n, ...).

    `y` is None where there are samples alone: enough to compare two models, not to train one.
    """

    x: Any
    y: NDArray[Any] | None

    def part(self, index: Any) -> Split:
        """The samples that an index or a slice picks, with their targets."""
        return Split(self.x[index], None if self.y is None else self.y[index])


def carve(splits: Mapping[str, Split], share: float, seed: int, where: object) -> dict[str, Split]:
    """Give every split that is missing a random part of train, the same one for a seed.

    Raises:
        UsageError: there is no train split, or too little of it.
    """
    if "train" not in splits:
        raise UsageError(
            "has no train split", where=where, fix="add one; validation and test can be carved"
        )
    done = dict(splits)
    for number, name in enumerate(name for name in ("test", "validation") if name not in splits):
        train = done["train"]
        order = np.random.default_rng([seed, number]).permutation(len(train.x))
        count = max(1, round(share * len(order)))
        if count >= len(order):
            raise UsageError(f"too few samples to carve a {name} split", where=where)
        part, rest = np.sort(order[:count]), np.sort(order[count:])
        done[name], done["train"] = train.part(part), train.part(rest)
    return done


def check(splits: Mapping[str, Split], ports: Ports, classes: int | None, where: object) -> None:
    """Refuse what training would only choke on later: shapes, counts, NaN, classes.

    Raises:
        UsageError: names the split and the fix.
    """
    for name, split in splits.items():
        targets = len(split.x if split.y is None else split.y)
        if len(split.x) != targets or not targets:
            counts = f"{len(split.x)} samples and {targets} targets"
            raise UsageError(f"split '{name}' has {counts}", where=where)
        if isinstance(split.x, Batch) or not ports[0].is_float:
            ports.check(Batch.of(split.x), where)
        else:
            _check_floats(name, split.x, list(ports[0].shape), where)
        if classes is not None and split.y is not None and split.y.dtype.kind in "iu":
            _check_classes(name, split.y, classes, where)


def _check_floats(name: str, x: NDArray[Any], shape: list[int], where: object) -> None:
    if list(x.shape[1:]) != shape:
        got = list(x.shape[1:])
        fix = f"set input = {got} in [model], or change the data"
        what = f"split '{name}' has samples of {got}, the model takes {shape}"
        raise UsageError(what, where=where, fix=fix)
    if x.dtype != np.uint8 and not np.isfinite(x).all():
        raise UsageError(f"split '{name}' holds NaN or infinite values", where=where)


def _check_classes(name: str, y: NDArray[Any], classes: int, where: object) -> None:
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= classes:
        what = f"split '{name}' has classes {low} to {high}, the model has {classes}"
        raise UsageError(what, where=where, fix=f"set classes = {high + 1} in [model]")
