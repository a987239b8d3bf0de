"""The JSON files of an artifact."""

from __future__ import annotations

import json

from pipeline.artifacts import Workdir, write_atomic


def write_json(work: Workdir, name: str, value: object) -> None:
    """Write a document that is equal, byte for byte, when its value is."""
    write_atomic(work.out / name, json.dumps(value, indent=1, sort_keys=True).encode())
