"""Calibration samples: drawn from the train split alone, and only data a model can mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts import Model, Quantized, Workdir
from pipeline.errors import UsageError
from pipeline.quantize.trained import hand_on, is_trained

if TYPE_CHECKING:
    from pipeline.data.source import Data
    from pipeline.quantize.stage import QuantizeConfig

FILE = "calibration.npy"
CALIBRATED = ("int8", "mixed")


def run(model: Model, data: Data | None, cfg: QuantizeConfig, work: Workdir) -> Quantized:
    """Draw, check and keep the samples that a scheme needs; most need none.

    Raises:
        UsageError: int8 or mixed without data, too few samples, or samples that do not
            fit the model.
    """
    work.out.mkdir(parents=True, exist_ok=True)
    scheme = cfg.scheme
    if scheme == "int8":
        scheme = model.meta.get("escalation", {}).get("scheme", scheme)
    meta = {"scheme": scheme, "checkpoint": model.digest}
    if scheme not in CALIBRATED:
        return work.seal(Quantized, meta)
    if scheme == "int8" and is_trained(model):
        hand_on(model, work.out)
        return work.seal(Quantized, {**meta, "trained": True})
    if data is None:
        raise UsageError(f"{scheme} needs calibration samples", fix="name the model's data")
    samples = draw(data, cfg.samples, cfg.seed)
    check(samples, model.meta["input"])
    np.save(work.out / FILE, samples)
    how = {
        "calibration": cfg.calibration, "min_sqnr_db": cfg.min_sqnr_db, "runtime": cfg.runtime,
    }  # fmt: skip
    return work.seal(Quantized, {**meta, "samples": len(samples), "seed": cfg.seed, **how})


def draw(data: Data, samples: int, seed: int) -> NDArray[np.float32]:
    """`samples` different inputs of the train split, in its order; shape (samples, *input).

    Raises:
        UsageError: the split has fewer samples.
    """
    count = data.count("train")
    if samples > count:
        raise UsageError(
            f"{samples} calibration samples asked for, the train split has {count}",
            where="quantize", fix=f"set samples to at most {count}",
        )  # fmt: skip
    index = np.sort(np.random.default_rng(seed).choice(count, samples, replace=False))
    return np.ascontiguousarray(data.inputs("train", index), dtype=np.float32)


def check(samples: NDArray[np.float32], shape: Sequence[int]) -> None:
    """Refuse samples of another shape than the model's input, or that are not numbers.

    Raises:
        UsageError: wrong shape, NaN or infinity.
    """
    where = "calibration data"
    if samples.shape[1:] != tuple(shape):
        got, want = list(samples.shape[1:]), list(shape)
        raise UsageError(
            f"samples have shape {got}, the model takes {want}",
            where=where, fix="give samples in the torch model's own layout",
        )  # fmt: skip
    if samples.size > 1 and samples.min() == samples.max():
        what = f"every value is {samples.flat[0]:g}: ranges cannot be taken from that"
        raise UsageError(what, where=where, fix="give real samples, as the model sees them in use")
    bad = np.flatnonzero(~np.isfinite(samples).reshape(len(samples), -1).all(axis=1))
    if len(bad):
        raise UsageError(
            f"{len(bad)} of {len(samples)} samples hold NaN or infinity (the first: {bad[0]})",
            where=where, fix="mend the data or its normalisation (a std of 0?)",
        )  # fmt: skip
