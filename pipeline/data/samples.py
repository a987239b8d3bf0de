"""Samples a user names for one command: an .npz or .npy file, or a folder of those or of images."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data import folder
from pipeline.errors import UsageError
from pipeline.progress import say

ARRAYS = (".npz", ".npy")
INPUTS = ("x", "x_train", "input")
RAW_PIXELS = 16.0  # normalised inputs stay below it
FEW = 8


class Samples:
    """Samples without targets, as the stages draw from them: all are `train`."""

    def __init__(self, x: NDArray[np.float32]) -> None:
        self.x = x

    def count(self, split: str) -> int:  # noqa: ARG002
        """Number of samples."""
        return len(self.x)

    def inputs(self, split: str, index: Any = None) -> NDArray[np.float32]:  # noqa: ARG002
        """Samples, float32 (n, *input)."""
        return self.x if index is None else self.x[index]


def load(path: Path, shape: Sequence[int]) -> Samples:
    """Read samples for an input of `shape` (one sample's, in torch's layout).

    uint8 is scaled to 0..1, as everywhere; floats are taken as they are.

    Raises:
        UsageError: unreadable, empty, of another shape, not finite or constant.
    """
    if not path.exists():
        raise UsageError("no such file or folder", where=path, fix="give an .npz, .npy or folder")
    found = _folder(path, shape) if path.is_dir() else _array(path, shape)
    _check(found, list(shape), path)
    x = found.astype(np.float32)
    if found.dtype == np.uint8:
        x *= np.float32(1 / 255)
    for warning in _warnings(x):
        say(f"warning: {path}: {warning}")
    return Samples(x)


def _array(path: Path, shape: Sequence[int]) -> NDArray[Any]:
    try:
        with path.open("rb") as stream:
            opened: Any = np.load(stream, allow_pickle=False)
            arrays = {"x": opened} if isinstance(opened, np.ndarray) else dict(opened)
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        fix = "write it with numpy.savez(path, x=samples), plain numbers"
        raise UsageError(f"is no readable .npz or .npy ({error})", where=path, fix=fix) from error
    return _the_input(arrays, shape, path)


def _the_input(
    arrays: dict[str, NDArray[Any]], shape: Sequence[int], path: Path
) -> NDArray[Any]:  # fmt: skip
    """The one array that is the model's input; labels may lie beside it."""
    fitting = [name for name, array in arrays.items() if list(array.shape[1:]) == list(shape)]
    named = [name for name in INPUTS if name in fitting]
    chosen = named or fitting or list(arrays)
    if not arrays:
        raise UsageError("holds no array", where=path, fix="store the samples as x=...")
    if len(chosen) > 1 and not named:
        what = f"holds {len(chosen)} arrays that may be the input: {', '.join(chosen)}"
        raise UsageError(what, where=path, fix="the model takes one input: name its array x")
    return arrays[chosen[0]]


def _folder(path: Path, shape: Sequence[int]) -> NDArray[Any]:
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in ARRAYS)
    if files:
        parts = [_array(file, shape) for file in files]
        whole = [part[None] if list(part.shape) == list(shape) else part for part in parts]
        for file, part in zip(files, whole, strict=True):
            _check(part, list(shape), file)
        return np.concatenate(whole)
    return folder.images(path, list(shape))


def _check(x: NDArray[Any], shape: list[int], where: Path) -> None:
    if x.ndim == 0 or not len(x):
        raise UsageError("holds no samples", where=where, fix="give 100 or more, as in use")
    if x.dtype.kind not in "fiu":
        raise UsageError(f"holds {x.dtype}, not numbers", where=where, fix="store float32")
    if list(x.shape[1:]) != shape:
        last = [*shape[1:], shape[0]]
        hint = (
            "transpose them: channels come first in torch"
            if list(x.shape[1:]) == last
            else "give samples in the torch model's own layout, first axis the samples"
        )
        what = f"samples have the shape {list(x.shape[1:])}, the model takes {shape}"
        raise UsageError(what, where=where, fix=hint)
    bad = np.flatnonzero(~np.isfinite(x).reshape(len(x), -1).all(axis=1))
    if len(bad):
        what = f"{len(bad)} of {len(x)} samples hold NaN or infinity (the first: {bad[0]})"
        raise UsageError(what, where=where, fix="mend the data or its normalisation (a std of 0?)")
    if x.size > 1 and x.min() == x.max():
        what = f"every value is {x.flat[0]:g}: ranges cannot be taken from that"
        raise UsageError(what, where=where, fix="give real samples, as the model sees them in use")


def _warnings(x: NDArray[np.float32]) -> list[str]:
    found = []
    if np.abs(x).max() > RAW_PIXELS:
        found.append(
            f"values reach {np.abs(x).max():g}: give them normalised as the model sees them"
        )
    if len(x) < FEW:
        found.append(f"{len(x)} samples are few: ranges may miss what the model meets in use")
    return found
