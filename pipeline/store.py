"""The store: artifacts by digest, and which step key made which. Safe to delete as a whole.

Files only: no database, no daemon. A step works in a folder of its own and its result is
renamed into place, so kill -9 loses at most the step under way.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.artifacts import (
    MANIFEST,
    A,
    Workdir,
    canonical,
    digest_of,
    folder_digests,
    write_atomic,
)
from pipeline.progress import say


class Store:
    """Content-addressed artifacts and an index of steps below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def artifact_path(self, digest: str) -> Path:
        """Folder of an artifact."""
        return self.root / "artifacts" / digest[:2] / digest

    def _step_path(self, key: str) -> Path:
        return self.root / "steps" / key[:2] / f"{key}.json"

    def recall(self, key: str, kind: type[A]) -> A | None:
        """The artifact a step made before; None if never, or if a byte of it has changed."""
        entry = self.entry(key)
        if entry is None:
            return None
        os.utime(self._step_path(key))
        return self.get(entry["artifact"], kind)

    def entry(self, key: str) -> dict[str, Any] | None:
        """What is known of a finished step: artifact, parts of its key, seconds."""
        entry: dict[str, Any] | None = read_json(self._step_path(key))
        return entry

    def get(self, digest: str, kind: type[A]) -> A | None:
        """An artifact by digest, its bytes hashed again; a corrupt one is dropped, with a word."""
        path = self.artifact_path(digest)
        manifest = read_json(path / MANIFEST)
        whole = (
            manifest is not None
            and digest_of(manifest) == digest
            and folder_digests(path) == manifest["files"]
        )
        if not whole or manifest is None:
            if path.exists():
                say(f"warning: {path} is corrupt; it is dropped and made again")
                shutil.rmtree(path)
            return None
        return kind(path, digest, manifest["meta"])

    def put(self, key: str, made: A, parts: Mapping[str, Any], seconds: Mapping[str, float]) -> A:
        """Move a sealed artifact into the store and remember the step that made it."""
        path = self.artifact_path(made.digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.get(made.digest, type(made)) is None:
            made.path.rename(path)
        entry = {"artifact": made.digest, "kind": type(made).__name__, "seconds": dict(seconds)}
        write_atomic(self._step_path(key), canonical({**entry, "parts": dict(parts)}))
        return type(made)(path, made.digest, made.meta)

    def scratch(self, key: str) -> Path:
        """The scratch folder of a step, while the process that runs it holds `workdir`."""
        return self.root / "work" / key / "scratch"

    @contextmanager
    def workdir(self, key: str) -> Iterator[Workdir]:
        """The folders of one step, held by one process; scratch stays if the step does not end."""
        base = self.root / "work" / key
        base.mkdir(parents=True, exist_ok=True)
        with _held(base / "lock"):
            shutil.rmtree(base / "out", ignore_errors=True)
            for name in ("out", "scratch"):
                (base / name).mkdir(exist_ok=True)
            yield Workdir(base / "out", self.scratch(key))
            shutil.rmtree(base)

    def note_last(self, name: str, key: str, parts: Mapping[str, Any]) -> None:
        """Remember the newest key of a named step, so that `status` can say what has changed."""
        write_atomic(self._last_path(name), canonical({"key": key, "parts": dict(parts)}))

    def last(self, name: str) -> dict[str, Any] | None:
        """What `note_last` wrote."""
        note: dict[str, Any] | None = read_json(self._last_path(name))
        return note

    def _last_path(self, name: str) -> Path:
        return self.root / "last" / f"{digest_of(name)}.json"


@contextmanager
def _held(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting: another secateur works on the same step")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_json(path: Path) -> Any:
    """A JSON file's value; None where it is missing or torn."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
