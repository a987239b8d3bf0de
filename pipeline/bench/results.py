"""The folder of records: one folder a session, merged by copying, never rewritten."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.artifacts import canonical, digest_of, write_atomic
from pipeline.bench.records import SCHEMA, Record
from pipeline.errors import UsageError
from pipeline.progress import say

RECORD = "record.json"
RAW = "raw.jsonl.gz"

Event = dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """A record and the folder that holds it."""

    folder: Path
    record: Record


def session_id(started: datetime, recipe: str, target: str, events: Iterable[Event]) -> str:
    """`<UTC time>-<recipe>-<target>-<short id>`: sorts by time, unique by the raw figures."""
    short = digest_of(list(events))[:8]
    return f"{started:%Y%m%dT%H%M%SZ}-{_slug(recipe)}-{_slug(target)}-{short}"


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._]+", "_", text)[:60].strip("._") or "unnamed"


def save(results: Path, record: Record, events: Iterable[Event]) -> Path:
    """Write a record and its raw events (JSON lines, gzip); whole or not at all.

    The folder appears under its name only when both files are on the disk.
    """
    folder, temporary = results / record.id, results / f".{record.id}.tmp"
    lines = b"".join(canonical(event) + b"\n" for event in events)
    try:
        write_atomic(temporary / RAW, gzip.compress(lines, mtime=0))
        text = record.model_dump_json(indent=1)
        write_atomic(temporary / RECORD, text.encode() + b"\n")
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def read_raw(folder: Path) -> list[Event]:
    """The agent's events of a session, as they came.

    Raises:
        UsageError: the raw file is missing or corrupt.
    """
    try:
        data = (folder / RAW).read_bytes()
        if not data:
            raise EOFError("empty")
        text = gzip.decompress(data)
        return [json.loads(line) for line in text.splitlines()]
    except (OSError, EOFError, ValueError) as error:
        fix = "copy the session's folder again from where it was measured"
        raise UsageError("the raw samples cannot be read", where=folder / RAW, fix=fix) from error


def read_all(results: Path) -> list[Stored]:
    """Every whole record, oldest first; the others are named on stderr and left alone."""
    found: dict[str, Stored] = {}
    folders = sorted(p for p in results.iterdir() if p.is_dir()) if results.is_dir() else []
    for folder in folders:
        if folder.name.startswith("."):
            continue
        try:
            stored = Stored(folder, _read(folder))
        except (OSError, ValueError) as error:
            say(f"warning: skipped {folder / RECORD}: {_reason(error)}")
            continue
        found.setdefault(stored.record.id, stored)
    return sorted(found.values(), key=lambda stored: stored.record.id)


def find(results: Path, name: str) -> Stored:
    """One record by its folder, its id, or an unambiguous part of its id.

    Raises:
        UsageError: none, more than one, or a corrupt one.
    """
    folder = Path(name)
    if (folder / RECORD).is_file():
        try:
            return Stored(folder, _read(folder))
        except (OSError, ValueError) as error:
            raise UsageError(_reason(error), where=folder / RECORD, fix="name another") from error
    stored = read_all(results)
    hits = [s for s in stored if s.record.id == name] or [s for s in stored if name in s.record.id]
    if len(hits) == 1:
        return hits[0]
    shown = ", ".join(s.record.id for s in (hits or stored)[-3:]) or "there are none"
    what = "names more than one record" if hits else "names no record"
    raise UsageError(f"'{name}' {what}", where=results, fix=f"give one id in full: {shown}")


def _read(folder: Path) -> Record:
    data = json.loads((folder / RECORD).read_bytes())
    if isinstance(data, dict) and data.get("schema_version", SCHEMA) != SCHEMA:
        raise ValueError("written by another version of secateur")
    return Record.model_validate(data)


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc']) or 'record'}: {first['msg']}"
    return str(error).splitlines()[0] if isinstance(error, OSError) else f"not a record ({error})"
