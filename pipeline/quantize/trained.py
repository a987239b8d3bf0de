"""The grids that training left, handed on from a checkpoint to its conversion."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from pipeline.artifacts import Artifact

FILE = "trained.tflite"
SPEC = "quantization.json"


def is_trained(model: Artifact) -> bool:
    """Whether a model carries grids that it was trained on."""
    return model.file(SPEC).is_file()


def hand_on(model: Artifact, folder: Path) -> None:
    """Copy a trained model's converted network and its grids."""
    for name in (FILE, SPEC):
        shutil.copyfile(model.file(name), folder / name)


def tensors(model: Artifact) -> list[dict[str, Any]]:
    """One entry a tensor of FILE: index, name, dtype, scales, zero points, axis."""
    entries: list[dict[str, Any]] = json.loads(model.file(SPEC).read_text())["tensors"]
    return entries
