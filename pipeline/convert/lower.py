"""From an export to the file for one scheme, audited before anyone loads it."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.artifacts import Deployable, Exported, Quantized, Workdir, write_atomic
from pipeline.convert import onnx_file, worker
from pipeline.convert.audit import audit, require_sound
from pipeline.convert.inject import trained_file
from pipeline.errors import UsageError
from pipeline.quantize.calibration import FILE as CALIBRATION

if TYPE_CHECKING:
    from pipeline.convert.stage import ConvertConfig

MODEL, FLOAT, ONNX = "model.tflite", "float.tflite", "model.onnx"


def run(model: Quantized, exported: Exported, cfg: ConvertConfig, work: Workdir) -> Deployable:
    """Make and audit `model.tflite`; the float file and the ONNX model stay beside it.

    Raises:
        UsageError: `exported` comes from another checkpoint than `model`.
        Refused: the converter failed, or its file would not run on a board.
    """
    if model.meta["checkpoint"] != exported.meta["checkpoint"]:
        raise UsageError(
            "the export is of another checkpoint than the quantized model",
            where="convert", fix="export the step that is quantized",
        )  # fmt: skip
    work.out.mkdir(parents=True, exist_ok=True)
    for name in (FLOAT, ONNX):
        shutil.copyfile(exported.file(name), work.out / name)
    path, scheme = work.out / MODEL, model.meta["scheme"]
    if scheme == "fp32":
        shutil.copyfile(exported.file(FLOAT), path)
    elif model.meta.get("trained"):
        write_atomic(path, trained_file(model))
    else:
        _integer(model, exported, path, cfg.timeout_s, work.scratch)
    found = audit(path)
    require_sound(found, path, scheme=scheme)
    return work.seal(Deployable, {
        "format": "tflite",
        "scheme": scheme,
        "file": MODEL,
        "checkpoint": exported.meta["checkpoint"],
        "inputs": [asdict(port) for port in found.inputs],
        "outputs": [asdict(port) for port in found.outputs],
        "layout": exported.meta["layout"],
        "size_bytes": found.size_bytes,
    })  # fmt: skip


def _integer(
    model: Quantized, exported: Exported, path: Path, timeout_s: float, scratch: Path
) -> None:
    """Run TensorFlow's converter over the calibration samples, in the file's layout."""
    scratch.mkdir(parents=True, exist_ok=True)
    samples, draft = scratch / "samples.npy", scratch / MODEL
    calibration = np.load(model.file(CALIBRATION))
    np.save(samples, calibration.transpose(exported.meta["layout"]["input"]))
    spec = {
        "saved_model": str(exported.file("saved_model")), "input": onnx_file.INPUT,
        "samples": str(samples), "out": str(draft),
    }  # fmt: skip
    log = scratch / "tensorflow.log"
    worker.call("pipeline.convert.children.integer", spec, log=log, timeout_s=timeout_s)
    shutil.move(draft, path)
    samples.unlink()
