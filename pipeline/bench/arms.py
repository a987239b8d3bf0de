"""What is measured against what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.artifacts import Deployable, file_digest
from pipeline.errors import UsageError

TFLITE_MAGIC = b"TFL3"


@dataclass(frozen=True)
class Arm:
    """One model file. `layout` relates its axes to torch's; None for a file we did not make."""

    name: str
    model: Path
    layout: Mapping[str, Any] | None = None


def deployable_arm(name: str, deployable: Deployable) -> Arm:
    """The arm of a model file that the pipeline made."""
    model = deployable.file(str(deployable.meta["file"]))
    return Arm(name, model, deployable.meta["layout"])


def file_arms(paths: Sequence[Path]) -> list[Arm]:
    """Arms of bare model files, named by their stems; equal stems get their digest's start.

    Raises:
        UsageError: a file is missing, or is no TFLite flatbuffer.
    """
    for path in paths:
        _check(path)
    stems = [path.stem for path in paths]
    named = [
        stem if stems.count(stem) == 1 else f"{stem}-{file_digest(path)[:8]}"
        for stem, path in zip(stems, paths, strict=True)
    ]
    unique = [
        f"{name}-{seen + 1}" if (seen := named[:number].count(name)) else name
        for number, name in enumerate(named)
    ]
    return [Arm(name, path.resolve()) for name, path in zip(unique, paths, strict=True)]


def _check(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
    except OSError as error:
        fix = "give the path of a .tflite file"
        raise UsageError(error.strerror or str(error), where=path, fix=fix) from error
    if head[4:8] != TFLITE_MAGIC:
        fix = "give a .tflite file (its bytes 4 to 8 are TFL3)"
        raise UsageError("is no TFLite model", where=path, fix=fix)
