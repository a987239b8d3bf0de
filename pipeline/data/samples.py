"""Samples a user names for one command: an .npz or .npy file, or a folder of those or of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.data import folder, named
from pipeline.data.named import require_finite, scaled, warnings
from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import DTYPES, Port, Ports
from pipeline.progress import say

ARRAYS = (".npz", ".npy")
INPUTS = ("x", "x_train", "input")


class Samples:
    """Samples without targets, as the stages draw from them: all are `train`."""

    def __init__(self, x: NDArray[np.float32] | Batch) -> None:
        self.x = x

    def count(self, split: str) -> int:  # noqa: ARG002
        """Number of samples."""
        return len(self.x)

    def inputs(self, split: str, index: Any = None) -> NDArray[np.float32] | Batch:  # noqa: ARG002
        """Samples, float32 (n, *input), or one array an input."""
        return self.x if index is None else self.x[index]


def load(path: Path, inputs: Ports | Sequence[int]) -> Samples:
    """Read samples of these inputs (one sample's shapes, in torch's layout).

    Several inputs take an .npz with one array each: `named.match` says which is whose. uint8 for a
    float input is scaled to 0..1, as everywhere; floats are taken as they are, integers too.

    Raises:
        UsageError: unreadable, empty, of other shapes or dtypes, not finite or constant.
    """
    ports = Ports.of(inputs)
    if not path.exists():
        raise UsageError("no such file or folder", where=path, fix="give an .npz, .npy or folder")
    if len(ports) > 1:
        return Samples(named.load(path, ports))
    found = _folder(path, ports[0]) if path.is_dir() else _array(path, ports[0])
    _check(found, ports, path)
    x = scaled(found, ports[0])
    for warning in warnings(x):
        say(f"warning: {path}: {warning}")
    return Samples(x)


def typed(ports: Ports, path: Path) -> Ports:
    """The ports, integers where nobody said a dtype and every array that one may be has it."""
    if path.is_dir() or not path.is_file():
        return ports
    arrays = named.read(path)
    return Ports(
        port if port.dtype else replace(port, dtype=_integers(port, arrays)) for port in ports
    )


def _integers(port: Port, arrays: dict[str, NDArray[Any]]) -> str:
    fits = {n: a for n, a in arrays.items() if tuple(a.shape[1:]) == port.shape}
    kinds = {str(array.dtype) for n, array in fits.items() if not port.name or n == port.name}
    (kind,) = kinds if len(kinds) == 1 else ("",)
    return kind if kind in DTYPES else ""


def _array(path: Path, port: Port) -> NDArray[Any]:
    return _the_input(named.read(path), port.shape, path)


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


def _folder(path: Path, port: Port) -> NDArray[Any]:
    shape = port.shape
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in ARRAYS)
    if files:
        parts = [_array(file, port) for file in files]
        whole = [part[None] if list(part.shape) == list(shape) else part for part in parts]
        for file, part in zip(files, whole, strict=True):
            _check(part, Ports.of([port]), file)
        return np.concatenate(whole)
    return folder.images(path, list(shape))


def _check(x: NDArray[Any], ports: Ports, where: Path) -> None:
    if x.ndim == 0 or not len(x):
        raise UsageError("holds no samples", where=where, fix="give 100 or more, as in use")
    if x.dtype.kind not in "fiub":
        raise UsageError(f"holds {x.dtype}, not numbers", where=where, fix="store float32")
    ports.check(Batch.of(x), where)
    if ports[0].is_float:
        require_finite(x, where)
        if x.size > 1 and x.min() == x.max():
            what = f"every value is {x.flat[0]:g}: ranges cannot be taken from that"
            fix = "give real samples, as the model sees them in use"
            raise UsageError(what, where=where, fix=fix)
