"""A key changes when the source behind a reference does, at any depth."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pipeline.config.resolve import add_folder, resolve, source_digest
from pipeline.errors import UsageError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = tmp_path / "acme_nets"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "net.py").write_text("from . import block\ndef build(): return block.x\n")
    (folder / "block.py").write_text("import numpy\nx = 1\n")
    (folder / "other.py").write_text("y = 1\n")
    add_folder(tmp_path)
    yield folder
    for name in [n for n in sys.modules if n.startswith("acme_nets")]:
        del sys.modules[name]


def test_digest_follows_imports_of_first_party_source_only(package: Path) -> None:
    before = source_digest("acme_nets.net:build")
    (package / "other.py").write_text("y = 2\n")
    assert source_digest("acme_nets.net:build") == before
    (package / "block.py").write_text("import numpy\nx = 2\n")
    assert source_digest("acme_nets.net:build") != before


def test_folders_are_appended_so_that_ours_is_never_shadowed(tmp_path: Path) -> None:
    before = list(sys.path)
    try:
        add_folder(tmp_path)
        assert sys.path == [*before, str(tmp_path)]
        add_folder(tmp_path)
        assert sys.path.count(str(tmp_path)) == 1
    finally:
        sys.path[:] = before


def test_what_cannot_be_resolved_is_named(package: Path) -> None:
    assert resolve("acme_nets.net:build")() == 1
    with pytest.raises(UsageError, match="cannot import module 'acme_net'"):
        resolve("acme_net:build")
    with pytest.raises(UsageError, match="has no 'biuld'"):
        resolve("acme_nets.net:biuld")
    (package / "broken.py").write_text("1 / 0\n")
    with pytest.raises(UsageError, match="ZeroDivisionError"):
        resolve("acme_nets.broken:build")
