"""Models that are not torch's: a user's ONNX file, or an existing float .tflite."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts import Foreign, Workdir, file_digest
from pipeline.convert import foreign_onnx, foreign_tflite
from pipeline.convert.layout import samples_first
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import Ports

SUFFIXES = (".onnx", ".tflite")


def adopt(path: Path, given: Ports | None, work: Workdir) -> Foreign:
    """Take a file as a model; `given` is for an ONNX file that leaves a shape open.

    Raises:
        UsageError: unreadable, an input of a dtype that has no place here, an open shape, or
            already quantized.
    """
    kind = path.suffix[1:]
    found = foreign_onnx.ports_of(path, given) if kind == "onnx" else foreign_tflite.ports_of(path)
    work.out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, work.out / f"source.{kind}")
    return work.seal(Foreign, {
        "source": {"file": file_digest(path), "format": kind},
        "input": found.to_json(),
        "classes": None,
        "plans": [],
    })  # fmt: skip


def file_of(model: Foreign) -> Path:
    """The file itself."""
    return model.file(f"source.{model.meta['source']['format']}")


def outputs(model: Foreign, inputs: NDArray[np.float32] | Batch) -> list[NDArray[Any]]:
    """Its own answers, each (n, ...), sample by sample."""
    ports, samples = Ports.of(model.meta["input"]), Batch.of(inputs)
    own = foreign_onnx if model.meta["source"]["format"] == "onnx" else foreign_tflite
    answers = own.run(file_of(model), ports, samples)
    return [samples_first(parts) for parts in zip(*answers, strict=True)]
