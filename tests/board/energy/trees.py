"""Boards of tests/captures as folders that the agent's sensors can read."""

from __future__ import annotations

import json
from pathlib import Path

CAPTURES = Path(__file__).parents[2] / "captures"


def sysfs(board: str, root: Path) -> Path:
    """The board's files below `root`."""
    for path, text in json.loads((CAPTURES / board / "sysfs.json").read_text()).items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def text(board: str, name: str) -> str:
    """A captured output."""
    return (CAPTURES / board / name).read_text()
