"""Calibration samples: drawn from the train split alone, and only data a model can mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts import Artifact, Model, Quantized, Workdir
from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch, load, saved
from pipeline.inputs.ports import Ports
from pipeline.quantize.trained import hand_on, is_trained

if TYPE_CHECKING:
    from pipeline.data.source import Data
    from pipeline.quantize.stage import QuantizeConfig

FILE = "calibration"
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
    check(samples, Ports.of(model.meta["input"]))
    samples.save(work.out / FILE)
    how = {
        "calibration": cfg.calibration, "min_sqnr_db": cfg.min_sqnr_db, "runtime": cfg.runtime,
    }  # fmt: skip
    return work.seal(Quantized, {**meta, "samples": len(samples), "seed": cfg.seed, **how})


def draw(data: Data, samples: int, seed: int) -> Batch:
    """`samples` different inputs of the train split, in its order.

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
    return Batch.of(data.inputs("train", index)).map(_stored)


def calibration_of(model: Artifact) -> Batch:
    """The samples that a scheme came with, in the torch model's own layout."""
    path = saved(model.file(FILE))
    assert path is not None
    return load(path)


def check(samples: Batch, ports: Ports) -> None:
    """Refuse samples of another kind than the model's inputs, or that are not numbers.

    Raises:
        UsageError: wrong shape or dtype, NaN or infinity, or all floats the same.
    """
    where = "calibration data"
    ports.check(samples, where)
    floats = [array for array in samples.arrays if array.dtype.kind == "f"]
    if floats and all(array.size > 1 and array.min() == array.max() for array in floats):
        what = f"every value is {floats[0].flat[0]:g}: ranges cannot be taken from that"
        raise UsageError(what, where=where, fix="give real samples, as the model sees them in use")
    for array in floats:
        bad = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))
        if len(bad):
            raise UsageError(
                f"{len(bad)} of {len(array)} samples hold NaN or infinity (the first: {bad[0]})",
                where=where, fix="mend the data or its normalisation (a std of 0?)",
            )  # fmt: skip


def _stored(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array, np.float32 if array.dtype.kind == "f" else array.dtype)
