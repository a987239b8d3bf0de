"""What stands on a board: files and a manifest whose sha256 names them all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.artifacts import MANIFEST, canonical, file_digest


@dataclass(frozen=True)
class Release:
    """Files by name, and the manifest that lists their digests; `digest` is the manifest's own."""

    files: Mapping[str, Path]
    manifest: bytes

    @property
    def size_bytes(self) -> int:
        """Bytes of all its files."""
        return sum(path.stat().st_size for path in self.files.values()) + len(self.manifest)

    @property
    def digest(self) -> str:
        """sha256 of the manifest, so also of every file: `sha256sum` on the board can check it."""
        return hashlib.sha256(self.manifest).hexdigest()


def release(files: Mapping[str, Path], about: Mapping[str, Any]) -> Release:
    """A release of these files; equal bytes and words give an equal digest, on any machine."""
    entries = {
        name: {"sha256": file_digest(path), "size_bytes": path.stat().st_size}
        for name, path in files.items()
    }
    assert MANIFEST not in entries, "the manifest is ours"
    return Release(dict(files), canonical({"files": entries, "about": dict(about)}) + b"\n")
