"""Field types whose value is a name for something else; a key takes what they name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from pipeline.artifacts import digest_of, file_digest, folder_digests
from pipeline.config.base import Config
from pipeline.config.resolve import source_digest
from pipeline.inputs.ports import DTYPES, Ports

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


def _inputs(value: Any) -> list[Any]:
    """A shape, a list of shapes, or a table of them by name, as `Ports.to_json` writes it."""
    form = "write [3, 96, 96], [[3, 96, 96], [6]] or { image = [3, 96, 96], size = [6] }"
    entries = value
    if isinstance(value, dict):
        entries = [{"name": n, **(e if isinstance(e, dict) else {"shape": e})}
                   for n, e in value.items()]  # fmt: skip
    try:
        ports = Ports.of(entries)
    except TypeError as error:
        raise ValueError(form) from error
    if not ports or not all(port.shape and min(port.shape) > 0 for port in ports):
        raise ValueError(f"{form} (got {value!r})")
    if wrong := [port.dtype for port in ports if port.dtype not in ("", *DTYPES)]:
        raise ValueError(f"{wrong[0]} is none of {', '.join(DTYPES)}")
    return ports.to_json()


Inputs = Annotated[list[Any], BeforeValidator(_inputs)]
"""What a model takes: the shape of one sample; of several inputs one each, in order or by name."""

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
