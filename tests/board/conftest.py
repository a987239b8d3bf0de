"""A folder that is a board, and its shell."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from pipeline.board.local import Local
from pipeline.board.shell import Shell
from pipeline.board.slots import Slot


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The board's folder; its lease is its own, so that tests can run beside each other."""
    monkeypatch.setenv("SECATEUR_LEASE", str(tmp_path / "lease"))
    return tmp_path / "board"


@pytest.fixture
def shell() -> Shell:
    return Shell(Local(), "this board")


@pytest.fixture
def slot(tmp_path: Path) -> Slot:
    return Slot(Shell(Local(), "this board"), PurePosixPath(tmp_path / "root with space"), "app")
