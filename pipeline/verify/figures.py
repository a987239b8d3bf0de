"""How far a file's outputs are from torch's: noise, largest error, and the same decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.convert.layout import sqnr_db

Outputs = Sequence[NDArray[np.float32]]


def compare(reference: Outputs, outputs: Outputs, *, decides: bool) -> dict[str, Any]:
    """Figures of a file against torch, first axis the samples.

    `sqnr_db` is the worst output's, `max_abs` the largest error anywhere, `agreement` the share
    of samples with the same top-1 class in the first output (None unless `decides`).
    """
    pairs = list(zip(reference, outputs, strict=True))
    same = np.argmax(reference[0], -1) == np.argmax(outputs[0], -1) if decides else None
    return {
        "sqnr_db": round(min(sqnr_db(want, got) for want, got in pairs), 2),
        "max_abs": _finite(max(float(np.abs(want - got).max()) for want, got in pairs)),
        "agreement": None if same is None else round(float(same.mean()), 6),
        "n": len(reference[0]),
    }


def _finite(value: float) -> float | None:
    """None for NaN and infinity, which JSON lacks."""
    return float(f"{value:.6g}") if np.isfinite(value) else None
