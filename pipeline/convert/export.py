"""Checkpoint to ONNX, SavedModel and float TFLite, with the layout found by comparison."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx import GraphModule

from pipeline.artifacts import Exported, Model, Workdir
from pipeline.convert import onnx_file, worker
from pipeline.convert.layout import input_permutation, match_outputs
from pipeline.convert.prepare import prepare
from pipeline.prune.checkpoint import load

if TYPE_CHECKING:
    from pipeline.convert.stage import ExportConfig

PROBES = 4


def run(model: Model, cfg: ExportConfig, work: Workdir) -> Exported:
    """Export a checkpoint; what a killed run left in the scratch folder is made anew.

    Raises:
        Refused: the network cannot be prepared or converted, or the converted one disagrees.
    """
    shape = tuple(model.meta["input"])
    probe = np.random.default_rng(0).standard_normal((PROBES, *shape), dtype=np.float32)
    gm = load(model)
    reference = [value.numpy() for value in onnx_file.run(gm, torch.from_numpy(probe))]
    prepared = prepare(gm, shape)
    made = _convert(gm, probe, len(reference), cfg.timeout_s, work.scratch)
    with np.load(made / "probe.npz") as answers:
        matches = match_outputs(reference, dict(answers))
    (made / "probe.npz").unlink()
    shutil.copytree(made, work.out, dirs_exist_ok=True)
    shutil.rmtree(made)
    return work.seal(Exported, {
        "checkpoint": model.digest,
        "prepared": prepared,
        "layout": {
            "input": input_permutation(len(shape) + 1),
            "outputs": [{"name": name, "to_torch": order} for name, order in matches],
        },
    })  # fmt: skip


def _convert(
    gm: GraphModule, probe: NDArray[Any], outputs: int, timeout_s: float, scratch: Path
) -> Path:
    """Folder with model.onnx, saved_model/, float.tflite and its answer to the probe."""
    folder = scratch / "export"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(onnx_file.to_onnx(gm, probe.shape[1:], outputs))
    probe_path = scratch / "probe.npy"
    np.save(probe_path, probe.transpose(input_permutation(probe.ndim)))
    spec = {
        "onnx": str(folder / "model.onnx"), "input": onnx_file.INPUT,
        "probe": str(probe_path), "out": str(folder),
    }  # fmt: skip
    log = scratch / "onnx2tf.log"
    worker.call("pipeline.convert.children.savedmodel", spec, log=log, timeout_s=timeout_s)
    return folder
