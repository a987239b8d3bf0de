"""Which interpreter runs which runtime, and what is said when there is none."""

import sys
from pathlib import Path

import pytest

from pipeline.board import runtimes
from pipeline.errors import Refused


@pytest.mark.parametrize("runtime", ["ai-edge-litert", "tensorflow"])
def test_the_hosts_own_runtimes_need_no_other_interpreter(runtime):
    assert runtimes.python_for(runtime) == Path(sys.executable)


def test_an_unknown_runtime_is_refused_with_the_known_ones():
    with pytest.raises(Refused, match="tflite-runtime"):
        runtimes.python_for("onnx")


@pytest.fixture
def no_pythons(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))


def test_without_an_old_python_the_refusal_names_what_to_install(no_pythons):
    with pytest.raises(Refused, match=r"3\.9 to 3\.11 only") as refused:
        runtimes.python_for("tflite-runtime")
    assert "apt install" in str(refused.value)


def test_a_shim_that_does_not_start_is_passed_over(no_pythons, tmp_path):
    for version, body in (("3.11", "exit 127"), ("3.10", "echo 3.10")):
        (tmp_path / f"python{version}").write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / f"python{version}").chmod(0o755)
    assert runtimes.old_python() == tmp_path / "python3.10"


def test_a_package_that_cannot_be_had_leaves_nothing_half_made(monkeypatch, home):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(home))
    with pytest.raises(Refused, match="cannot be installed"):
        runtimes.python_for("tflite-runtime")
    assert list((home / "cache" / "runtimes").iterdir()) == []


def test_a_broken_environment_is_not_taken_for_a_working_one(monkeypatch, home):
    folder = home / "cache" / "runtimes" / "tflite-runtime-2.14.0-numpy-1.26.4"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    made = []
    monkeypatch.setattr(runtimes, "_make", made.append)
    runtimes.python_for("tflite-runtime")
    assert made == [folder]
