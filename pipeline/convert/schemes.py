"""How a float file becomes the file of one scheme; a scheme is one function, found by its name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.artifacts import Exported, Quantized, write_atomic
from pipeline.convert import worker
from pipeline.convert.audit import audit
from pipeline.convert.inject import trained_file
from pipeline.convert.layout import arranged
from pipeline.quantize.calibration import calibration_of

FLOAT = "float.tflite"
CHILDREN = "pipeline.convert.children"


@dataclass(frozen=True)
class Job:
    """A float export and how it is to be quantized; the file goes to `out`."""

    model: Quantized
    exported: Exported
    out: Path
    scratch: Path
    timeout_s: float

    def call(self, child: str, **spec: Any) -> dict[str, Any]:
        """Run a child over the float file; its draft becomes `out` when it is whole."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        draft = self.scratch / "draft.tflite"
        whole = {"model": str(self.exported.file(FLOAT)), "out": str(draft), **spec}
        log = self.scratch / f"{child}.log"
        said = worker.call(f"{CHILDREN}.{child}", whole, log=log, timeout_s=self.timeout_s)
        shutil.move(draft, self.out)
        return said

    def calibrated(self, child: str) -> dict[str, Any]:
        """Run a child that takes calibration samples, which it gets in the file's layout."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        given = arranged(calibration_of(self.model), self.exported.meta["layout"])
        samples, meta = given.save(self.scratch / "samples"), self.model.meta
        try:
            return self.call(
                child, samples=str(samples), calibration=meta["calibration"],
                budget_db=meta["min_sqnr_db"], runtime=meta["runtime"],
            )  # fmt: skip
        finally:
            samples.unlink()


def fp32(job: Job) -> dict[str, Any]:
    """The float file itself."""
    shutil.copyfile(job.exported.file(FLOAT), job.out)
    return {}


def fp16(job: Job) -> dict[str, Any]:
    """Weights stored as float16, computed in float32: half the size, the same speed."""
    return job.call("lite", scheme="fp16")


def dynamic(job: Job) -> dict[str, Any]:
    """Int8 weights; activations are quantized while it runs, without calibration."""
    return job.call("lite", scheme="dynamic")


def int8(job: Job) -> dict[str, Any]:
    """Int8 throughout, input and output too; a trained network keeps the grids it has."""
    if job.model.meta.get("trained"):
        write_atomic(job.out, trained_file(job.model))
        return {"variant": "trained", "unlike": sum(audit(job.out).float_operators.values())}
    return job.calibrated("integer")


def mixed(job: Job) -> dict[str, Any]:
    """Int8 where it keeps the graph in one piece and the answer close; float ports."""
    return job.calibrated("mixed")


SCHEMES: dict[str, Callable[[Job], dict[str, Any]]] = {
    "fp32": fp32,
    "fp16": fp16,
    "dynamic": dynamic,
    "int8": int8,
    "mixed": mixed,
}
