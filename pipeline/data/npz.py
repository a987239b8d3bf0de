"""An .npz file: x_train, y_train and, if there are, x_validation, y_validation, x_test, y_test."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from pipeline.data.arrays import SPLITS, Split
from pipeline.errors import UsageError


def load(path: Path) -> dict[str, Split]:
    """Read the splits; plain `x` and `y` count as train.

    Raises:
        UsageError: not an .npz, torn, or without the arrays.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise UsageError(f"is no readable .npz ({error})", where=path) from error
    renamed = {f"{n}_train" if n in ("x", "y") else n: a for n, a in arrays.items()}
    splits = {
        name: Split(_samples(renamed[f"x_{name}"]), renamed[f"y_{name}"])
        for name in SPLITS
        if {f"x_{name}", f"y_{name}"} <= set(renamed)
    }
    if "train" not in splits:
        fix = f"store x_train and y_train (it has: {', '.join(arrays) or 'nothing'})"
        raise UsageError("has no train split", where=path, fix=fix)
    return splits


def _samples(x: np.ndarray) -> np.ndarray:
    return x if x.dtype == np.uint8 else x.astype(np.float32)
