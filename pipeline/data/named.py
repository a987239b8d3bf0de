"""Arrays by name: which of a file is which input of a model, and what each must hold."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import Port, Ports
from pipeline.progress import say

RAW_PIXELS = 16.0  # normalised inputs stay below it
FEW = 8
Arrays = Mapping[str, NDArray[Any]]


def read(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz; that of an .npy is called x.

    Raises:
        UsageError: no such file of plain numbers.
    """
    try:
        with path.open("rb") as stream:
            opened: Any = np.load(stream, allow_pickle=False)
            return {"x": opened} if isinstance(opened, np.ndarray) else dict(opened)
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        fix = "write it with numpy.savez(path, x=samples), plain numbers"
        raise UsageError(f"is no readable .npz or .npy ({error})", where=path, fix=fix) from error


def load(path: Path, ports: Ports) -> Batch:
    """Samples of several inputs from one .npz, ready for the model.

    Raises:
        UsageError: see `match` and `checked`.
    """
    if path.suffix != ".npz":
        what = f"the model takes {len(ports)} inputs: {ports}"
        raise UsageError(what, where=path, fix="give an .npz with one array an input")
    found = checked(match(read(path), ports, path), ports, path)
    floats = [a for port, a in zip(ports, found.arrays, strict=True) if port.is_float]
    if floats and all(a.size > 1 and a.min() == a.max() for a in floats):
        what = f"every value is {floats[0].flat[0]:g}: ranges cannot be taken from that"
        raise UsageError(what, where=path, fix="give real samples, as the model sees them in use")
    for port, array in zip(ports, found.arrays, strict=True):
        if port.is_float and len(port.shape) > 1:  # sizes and scales may well be large
            for warning in warnings(array):
                say(f"warning: {path}: '{port.name}': {warning}")
    return found


def match(arrays: Arrays, ports: Ports, where: object) -> Batch:
    """The arrays that bear the inputs' names; where none does, all arrays in their order.

    Raises:
        UsageError: some names are there and some are not, or the order does not fit either.
    """
    if set(ports.names) <= set(arrays):
        return Batch({name: arrays[name] for name in ports.names})
    fits = [a.shape[1:] == p.shape for a, p in zip(arrays.values(), ports, strict=False)]
    if not set(ports.names) & set(arrays) and len(arrays) == len(ports) and all(fits):
        return Batch(dict(zip(ports.names, arrays.values(), strict=True)))
    held = ", ".join(f"{n} {list(a.shape)} {a.dtype}" for n, a in arrays.items()) or "no array"
    what = f"the model takes {ports}; the file holds {held}"
    raise UsageError(what, where=where, fix="name each array as the input it is for")


def checked(found: Batch, ports: Ports, where: object) -> Batch:
    """Samples of the inputs' shapes, kinds and values, as many of each, floats as float32.

    Raises:
        UsageError: names the input, and what is wrong with it.
    """
    counts = {name: len(found.by_name(name)) for name in found.names}
    if len(set(counts.values())) > 1 or not min(counts.values()):
        what = f"different numbers of samples: {', '.join(f'{n} {c}' for n, c in counts.items())}"
        raise UsageError(what, where=where, fix="give one sample of each input at a time")
    for name, array in zip(found.names, found.arrays, strict=True):
        if array.dtype.kind not in "fiub":
            raise UsageError(f"'{name}' holds {array.dtype}, not numbers", where=where)
    ports.check(found, where)
    for port, array in zip(ports, found.arrays, strict=True):
        if port.is_float:
            require_finite(array, where, f"'{port.name}': ")
    pairs = zip(ports, found.arrays, strict=True)
    return Batch({port.name: scaled(array, port) for port, array in pairs})


def scaled(array: NDArray[Any], port: Port) -> NDArray[Any]:
    """Floats as float32, uint8 pixels among them in 0..1; integers in the input's own dtype."""
    if not port.is_float:
        return array.astype(port.dtype)
    x = array.astype(np.float32)
    if array.dtype == np.uint8:
        x *= np.float32(1 / 255)
    return x


def require_finite(x: NDArray[Any], where: object, of: str = "") -> None:
    """Raise UsageError where a sample holds NaN or infinity."""
    bad = np.flatnonzero(~np.isfinite(x).reshape(len(x), -1).all(axis=1))
    if len(bad):
        what = f"{of}{len(bad)} of {len(x)} samples hold NaN or infinity (the first: {bad[0]})"
        raise UsageError(what, where=where, fix="mend the data or its normalisation (a std of 0?)")


def warnings(x: NDArray[Any]) -> list[str]:
    """What may be meant otherwise."""
    found = []
    if x.dtype.kind == "f" and np.abs(x).max() > RAW_PIXELS:
        found.append(
            f"values reach {np.abs(x).max():g}: give them normalised as the model sees them"
        )
    if len(x) < FEW:
        found.append(f"{len(x)} samples are few: ranges may miss what the model meets in use")
    return found
