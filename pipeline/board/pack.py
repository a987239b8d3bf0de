"""The agent as one file named by its hash, so that a board can tell whether it has it already."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from pipeline.artifacts import write_atomic
from pipeline.paths import cache_dir

SOURCE = Path(__file__).resolve().parent.parent / "agent"
PACKAGE = "secateur_agent"
ENTRY = f"""import os, sys
if sys.version_info < (3, 9):
    sys.exit("Python %d.%d is too old for the agent, it needs 3.9" % sys.version_info[:2])
from {PACKAGE}.__main__ import main
os._exit(main())
"""
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Packed:
    """The zipapp on disk and the sha256 of its bytes."""

    path: Path
    digest: str


def pack(source: Path = SOURCE) -> bytes:
    """Zipapp bytes that depend on the source alone: no times, no modes, no compressor's version."""
    files = {f"{PACKAGE}/{p.relative_to(source).as_posix()}": p for p in source.rglob("*.py")}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, "__main__.py", ENTRY.encode())
        for name in sorted(files):
            _add(archive, name, files[name].read_bytes())
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)


def packed() -> Packed:
    """The agent of this version in the cache folder, made when it is not there."""
    data = pack()
    digest = hashlib.sha256(data).hexdigest()
    path = cache_dir() / "agent" / f"{digest[:16]}.pyz"
    if not path.is_file() or path.read_bytes() != data:
        write_atomic(path, data)
    return Packed(path, digest)
