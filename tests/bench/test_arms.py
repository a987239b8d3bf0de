"""Model files as arms."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.bench.arms import file_arms
from pipeline.errors import UsageError


def model(path: Path, body: bytes = b"x") -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\x1c\0\0\0TFL3" + body)
    return path


def test_files_are_named_by_their_stems(tmp_path: Path) -> None:
    arms = file_arms([model(tmp_path / "old.tflite"), model(tmp_path / "new.tflite")])
    assert [arm.name for arm in arms] == ["old", "new"]
    assert arms[0].layout is None


def test_equal_stems_and_equal_files_get_names_of_their_own(tmp_path: Path) -> None:
    a, b = model(tmp_path / "a" / "m.tflite"), model(tmp_path / "b" / "m.tflite", b"y")
    names = [arm.name for arm in file_arms([a, b, a, a])]
    assert len(set(names)) == 4
    assert names[2:] == [f"{names[0]}-2", f"{names[0]}-3"]


@pytest.mark.parametrize("content", [b"", b"TFL3", b"not a model at all"])
def test_what_is_no_model_is_refused_with_the_fix(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"m\.tflite: is no TFLite model\n  fix: "):
        file_arms([path])


@pytest.mark.parametrize("name", ["none.tflite", "."])
def test_a_path_without_a_file_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fix: give the path"):
        file_arms([tmp_path / name])
