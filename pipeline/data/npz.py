"""An .npz file: x_train, y_train and, if there are, x_validation, y_validation, x_test, y_test.

Without any y it holds samples alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data import named
from pipeline.data.arrays import SPLITS, Split
from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import Ports


def load(path: Path, ports: Ports) -> dict[str, Split]:
    """Read the splits; plain `x` and `y` count as train.

    Of several inputs each has its own name in place of x: `image_train` or `image`, and so on.

    Raises:
        UsageError: not an .npz, torn, or without the arrays.
    """
    arrays = named.read(path)
    names = ports.names if len(ports) > 1 else ["x"]
    renamed = {f"{n}_train" if n in (*names, "y") else n: a for n, a in arrays.items()}
    labelled = any(f"y_{split}" in renamed for split in SPLITS)
    wanted = (*names, "y") if labelled else names
    splits = {
        split: Split(_samples(renamed, split, ports, path), renamed.get(f"y_{split}"))
        for split in SPLITS
        if {f"{name}_{split}" for name in wanted} <= set(renamed)
    }
    if "train" not in splits:
        missing = " and ".join(f"{name}_train" for name in (*names, "y"))
        fix = f"store {missing} (it has: {', '.join(arrays) or 'nothing'})"
        raise UsageError("has no train split", where=path, fix=fix)
    return splits


def _samples(arrays: named.Arrays, split: str, ports: Ports, path: Path) -> Any:
    if len(ports) > 1:
        parts = Batch({port.name: arrays[f"{port.name}_{split}"] for port in ports})
        return named.checked(parts, ports, path)
    x = arrays[f"x_{split}"]
    return x if x.dtype == np.uint8 or not ports[0].is_float else x.astype(np.float32)
