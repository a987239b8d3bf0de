"""A network trained in int8 and converted, once a session."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import mse_loss

from pipeline.artifacts import Checkpoint, Deployable, QatCheckpoint
from pipeline.convert.stage import ConvertConfig, ExportConfig, convert, export
from pipeline.models.factory import build
from pipeline.models.graph import capture
from pipeline.prune.checkpoint import load, save
from pipeline.qat.stage import QatConfig, qat
from pipeline.quantize.stage import QuantizeConfig, quantize
from tests.convert.chains import DIGEST, Noise, workdir
from tests.qat.networks import SHAPES

torch.set_num_threads(1)
CONFIG = QatConfig(epochs=1, batch_size=32, samples=64, distill=0.0, lr=0.3)


class Answers(Noise):
    """The target is what the float network answers; the metric is how near an output is to it."""

    def targets(self, split: str, index: object = None) -> np.ndarray:
        with torch.no_grad():
            return load(self.checkpoint)(torch.from_numpy(self.inputs(split, index))).numpy()

    def inputs(self, split: str, index: object = None) -> np.ndarray:
        return 2 * super().inputs(split, index)

    def loss(self) -> Any:
        return mse_loss

    def metric(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        return -float(np.square(outputs - targets).mean())


@dataclass(frozen=True)
class Trained:
    checkpoint: Checkpoint
    data: Answers
    qat: QatCheckpoint
    deployable: Deployable

    @property
    def path(self) -> Path:
        return self.deployable.file("model.tflite")


def checkpoint(folder: Path, name: str) -> Checkpoint:
    source = {"factory": "tests.qat.networks:build", "args": {"name": name}, "digest": DIGEST}
    graph = capture(build({**source, "seed": 0}), SHAPES[name])
    work = workdir(folder)
    return save(work, graph, source={**source, "seed": 0}, classes=10)


def train(folder: Path, model: Checkpoint, cfg: QatConfig = CONFIG) -> QatCheckpoint:
    return qat(model, data=Answers(model), cfg=cfg, work=workdir(folder))


@functools.cache
def trained(name: str) -> Trained:
    folder = Path(tempfile.mkdtemp(prefix="secateur-qat-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    model = checkpoint(folder / "model", name)
    made = train(folder / "qat", model)
    exported = export(made, cfg=ExportConfig(), work=workdir(folder / "exported"))
    quantized = quantize(made, data=None, cfg=QuantizeConfig(), work=workdir(folder / "quantized"))
    work = workdir(folder / "deployable")
    deployable = convert(quantized, exported=exported, cfg=ConvertConfig(), work=work)
    return Trained(model, Answers(model), made, deployable)
