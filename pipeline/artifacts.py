"""What stages hand each other: read-only folders, named by the digest of what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Artifact:
    """A folder with a manifest; `meta` is the part of the manifest that its stage wrote."""

    path: Path
    digest: str
    meta: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def file(self, name: str) -> Path:
        """Path of one file of the folder."""
        return self.path / name


class Model(Artifact):
    """A torch model: its source, the prune plans applied to it, and its weights."""


class Checkpoint(Model):
    """A model in float: it can be pruned and trained."""


class QatCheckpoint(Model):
    """A model whose weights stand on the int8 grids they were trained on, and those grids.

    Pruning or training it in float would leave the grids, so neither can follow.
    """


class Foreign(Model):
    """A model file made elsewhere, ONNX or float TFLite: it is converted, not pruned or trained."""


class Escalated(Model):
    """A model, refined or trained in int8, with the scheme that keeps an accuracy budget."""


class Quantized(Artifact):
    """A checkpoint's quantization: scheme and calibration. Pruning cannot follow it."""


class Exported(Artifact):
    """A model outside torch, in float: TFLite, and the ONNX it was made from."""


class Deployable(Artifact):
    """A model file for a runtime, with its inputs, outputs and preprocessing."""


class Score(Artifact):
    """What one step did to a model: the metric and the outputs before and after it."""


class Certificate(Artifact):
    """The verification of a deployable against its torch reference, runtime by runtime."""


A = TypeVar("A", bound=Artifact)


def canonical(value: object) -> bytes:
    """JSON bytes that are equal when the values are: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest_of(value: object) -> str:
    """sha256 of a JSON value."""
    return hashlib.sha256(canonical(value)).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_digests(folder: Path) -> dict[str, str]:
    """{relative name: sha256} of every file below a folder, the manifest apart."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    names = {p.relative_to(folder).as_posix(): p for p in files}
    return {name: file_digest(path) for name, path in names.items() if name != MANIFEST}


@dataclass(frozen=True)
class Workdir:
    """Where a stage works: `out` becomes the artifact, `scratch` outlives an interruption.

    `scratch` belongs to one step key, so what a killed run left there fits the run that finds it.
    """

    out: Path
    scratch: Path

    def seal(self, kind: type[A], meta: Mapping[str, Any]) -> A:
        """Turn what was written to `out` into an artifact (no paths or timestamps in `meta`)."""
        plain = dict(meta)
        manifest = {"kind": kind.__name__, "files": folder_digests(self.out), "meta": plain}
        write_atomic(self.out / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode())
        return kind(self.out, digest_of(manifest), plain)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, also under kill -9 and on a full disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
