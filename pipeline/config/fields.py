"""Field types whose value is a name for something else; a key takes what they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationInfo

from pipeline.artifacts import digest_of, file_digest, folder_digests
from pipeline.config.base import Config
from pipeline.config.resolve import source_digest

_REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def _check_reference(value: str) -> str:
    if not _REFERENCE.fullmatch(value):
        raise ValueError(f"write it as module:function, e.g. mynet:build (got {value!r})")
    return value


def _resolve_path(value: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path.cwd())
    path = (folder / value.expanduser()).resolve()
    if not path.exists():
        raise ValueError(f"no such file or folder: {path}")
    return path


Reference = Annotated[str, AfterValidator(_check_reference)]
"""`module:function`, importable from our package or from the recipe's folder."""

UserPath = Annotated[Path, AfterValidator(_resolve_path)]
"""A file or folder of the user's, relative to the recipe."""


def path_digest(path: Path) -> str:
    """Digest of a file, or of a folder's names and contents."""
    return digest_of(folder_digests(path)) if path.is_dir() else file_digest(path)


def fingerprint(config: Config) -> dict[str, Any]:
    """A config as a JSON value in which references and paths are replaced by what they name.

    Moving a file changes nothing; changing a byte of it, or of the code that a reference
    names, does.
    """
    return {name: _field(config, name) for name in type(config).model_fields}


def _field(config: Config, name: str) -> Any:
    value = getattr(config, name)
    if isinstance(value, Config):
        return fingerprint(value)
    if isinstance(value, str) and _REFERENCE.fullmatch(value):
        return {"reference": value, "source": source_digest(value)}
    if isinstance(value, Path):
        return {"file": path_digest(value)}
    return config.model_dump(mode="json", include={name})[name]
