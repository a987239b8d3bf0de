"""Nobody forgets to bump a stage's version: its source is pinned to it.

After a change to a room: bump `version=` in its `stage.py` if the stage's result can differ, then
accept with `python -m tests.test_stage_versions`. Comments and docstrings do not count.
"""

from __future__ import annotations

import ast
import json
from functools import cache
from pathlib import Path

import pytest

import pipeline
from pipeline.artifacts import digest_of
from pipeline.run import register_stages
from pipeline.stage import STAGES

PINS = Path(__file__).parent / "golden" / "stages.json"
ROOMS = {
    "load": ("train", "models", "inputs", "prune/checkpoint.py"),
    "train": ("train", "models", "data"),
    "finetune": ("train", "models", "data"),
    "command": ("train",),
    "mask": ("prune/masks.py", "prune/checkpoint.py"),
    "reset": ("train/reset.py", "models", "prune/rewrite.py"),
    "prune": ("prune", "models", "inputs", "data"),
    "quantize": ("quantize", "inputs", "data"),
    "equalize": ("quantize", "data"),
    "correct_bias": ("quantize", "data"),
    "round_weights": ("quantize", "data"),
    "export": ("convert", "models", "inputs"),
    "convert": ("convert", "quantize/ranges.py", "agent/inspection.py"),
    "qat": ("qat", "quantize/homes.py", "quantize/settling.py", "train", "convert", "models"),
    "escalate": ("escalation", "qat", "quantize", "train", "convert", "verify/runs.py"),
    "score": ("verify/score.py", "verify/reference.py", "data"),
    "verify": ("verify", "convert/audit.py", "convert/flatbuffer.py", "data", "agent"),
}


def source(place: str) -> dict[str, str]:
    root = Path(pipeline.__file__).parent
    path = root / place
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    assert files, place
    return {str(file.relative_to(root)): statements(file) for file in files}


@cache
def statements(file: Path) -> str:
    return ast.unparse(bare(ast.parse(file.read_text())))


def bare(tree: ast.Module) -> ast.Module:
    """Without docstrings."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def pins() -> dict[str, dict[str, object]]:
    register_stages()
    return {
        name: {"version": stage.version, "source": digest_of([source(r) for r in ROOMS[name]])[:16]}
        for name, stage in sorted(STAGES.items())
    }


@pytest.mark.parametrize("name", sorted(ROOMS))
def test_source_and_version_move_together(name: str) -> None:
    pinned, found = json.loads(PINS.read_text())[name], pins()[name]
    assert found == pinned, (
        f"the source behind stage '{name}' changed: bump its version if its result can differ,"
        " then run python -m tests.test_stage_versions"
    )


def test_every_stage_is_pinned() -> None:
    assert set(pins()) == set(ROOMS)


if __name__ == "__main__":
    PINS.write_text(json.dumps(pins(), indent=1) + "\n")
