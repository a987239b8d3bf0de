"""The whole conversion of a test network, made once a session (about ten seconds each)."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema

from pipeline.artifacts import Checkpoint, Deployable, Exported, Quantized, Workdir
from pipeline.config.recipe import TaskConfig
from pipeline.convert.stage import ConvertConfig, ExportConfig, convert, export
from pipeline.models.factory import build
from pipeline.models.graph import capture
from pipeline.prune.checkpoint import load, save
from pipeline.quantize.stage import QuantizeConfig, quantize
from tests.convert.networks import SHAPES

torch.set_num_threads(1)
DIGEST = "0" * 64


class Noise:
    """Data of the shape a network takes; the target is what the network itself answers."""

    digest = DIGEST
    classes = 10
    task = TaskConfig()

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint, self.shape = checkpoint, tuple(checkpoint.meta["input"])
        self.read: set[str] = set()
        self.labelled = True

    def count(self, split: str) -> int:
        return {"train": 96, "validation": 64, "test": 48}[split]

    def inputs(self, split: str, index: object = None) -> np.ndarray:
        self.read.add(split)
        seed = ("train", "validation", "test").index(split)
        x = np.random.default_rng(seed).standard_normal((self.count(split), *self.shape), "f4")
        return x if index is None else x[index]

    def targets(self, split: str, index: object = None) -> np.ndarray:
        with torch.no_grad():
            answer = load(self.checkpoint)(torch.from_numpy(self.inputs(split, index)))
        return answer.argmax(-1).numpy()

    def metric(self, outputs: np.ndarray, targets: np.ndarray) -> float:
        return float((outputs.argmax(-1) == targets).mean())


@dataclass(frozen=True)
class Chain:
    checkpoint: Checkpoint
    data: Noise
    quantized: Quantized
    exported: Exported
    deployable: Deployable


def workdir(folder: Path) -> Workdir:
    work = Workdir(folder / "out", folder / "scratch")
    work.out.mkdir(parents=True)
    work.scratch.mkdir()
    return work


def checkpoint(folder: Path, name: str, seed: int = 0) -> Checkpoint:
    factory = f"tests.convert.networks:{name}"
    source = {"factory": factory, "args": {}, "digest": DIGEST, "seed": seed}
    graph = capture(build(source), SHAPES[name])
    work = workdir(folder)
    return save(work, graph, source=source, classes=10)


def rewritten(path: Path, change: Callable[[Any], None], to: Path) -> Path:
    """A copy of a .tflite file with its object tree changed."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    change(model)
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    to.write_bytes(builder.Output())
    return to


def run(folder: Path, name: str) -> Chain:
    model = checkpoint(folder / "checkpoint", name)
    data = Noise(model)
    exported = export(model, cfg=ExportConfig(), work=workdir(folder / "exported"))
    cfg = QuantizeConfig(samples=32)
    quantized = quantize(model, data=data, cfg=cfg, work=workdir(folder / "quantized"))
    work = workdir(folder / "deployable")
    deployable = convert(quantized, exported=exported, cfg=ConvertConfig(), work=work)
    return Chain(model, data, quantized, exported, deployable)


@functools.cache
def chain(name: str) -> Chain:
    folder = Path(tempfile.mkdtemp(prefix="secateur-chain-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return run(folder, name)
