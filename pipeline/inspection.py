"""What an artifact is, as a document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.artifacts import MANIFEST
from pipeline.errors import UsageError
from pipeline.paths import cache_dir
from pipeline.store import read_json


def describe(name: str) -> dict[str, Any]:
    """Describe an artifact's folder, a digest (or its first letters) in the store, or a .tflite.

    Raises:
        UsageError: there is nothing of that name, or the digest fits several artifacts.
    """
    path = Path(name)
    if path.is_file():
        from pipeline.convert.audit import audit

        return {"file": name, **audit(path).to_json()}
    folder = folder_of(name)
    manifest = read_json(folder / MANIFEST)
    if manifest is None:
        raise UsageError(f"has no {MANIFEST}", where=folder, fix="name a folder secateur made")
    reports = {file.stem: read_json(file) for file in sorted(folder.glob("*.json"))}
    reports.pop(Path(MANIFEST).stem)
    return {"folder": str(folder), **manifest, **reports}


def folder_of(name: str) -> Path:
    """Folder of an artifact by its path, its digest, or the digest's first letters.

    Raises:
        UsageError: there is nothing of that name, or the digest fits several artifacts.
    """
    return Path(name) if Path(name).is_dir() else _in_store(name)


def _in_store(digest: str) -> Path:
    found = [p for p in (cache_dir() / "store/artifacts").glob(f"*/{digest}*") if len(digest) > 3]
    if len(found) == 1:
        return found[0]
    what = "fits several artifacts" if found else "is no file, no folder and no digest in the store"
    raise UsageError(what, where=digest, fix="`secateur status RECIPE` shows digests")
