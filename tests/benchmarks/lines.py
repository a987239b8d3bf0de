"""Results as JSON lines, so that a benchmark that was stopped goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read(results: Path) -> list[dict[str, Any]]:
    """The lines so far; one that a kill cut short is left out."""
    lines = []
    for text in results.read_text().splitlines() if results.exists() else []:
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines
