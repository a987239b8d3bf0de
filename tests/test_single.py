"""Single steps as commands, one after the other, on one model."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained checkpoint in `dense/`, data in `tiny.npz`."""
    base = tmp_path_factory.mktemp("single")
    recipe = tiny.write(base)
    steps = json.loads(run(base, "run", str(recipe), "--until", "dense", "--json").stdout)["steps"]
    made = json.loads(run(base, "inspect", steps[-1]["digest"][:16], "--json").stdout)
    assert made["kind"] == "Checkpoint"
    shutil.copytree(made["folder"], base / "dense")
    return base


def run(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = tiny.command(*words)
    home = tiny.environment(folder / "home")
    done = subprocess.run(command, cwd=folder, env=home, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done


def document(folder: Path, *words: str) -> dict[str, Any]:
    return json.loads(run(folder, *words, "--json").stdout)


def test_prune_convert_verify_bench_one_after_the_other(folder: Path) -> None:
    cut = document(folder, "prune", "--model", "dense", "--data", "tiny.npz", "--out", "cut")
    assert cut["certificate"]["ok"]
    assert cut["macs"]["after"] < cut["macs"]["before"]

    calibrated = ("--calibration", "tiny.npz", "--calibration-samples", "64")
    document(folder, "convert", "--model", "dense", "--scheme", "fp32", "--out", "fp32")
    made = document(folder, "convert", "--model", "dense", *calibrated, "--out", "int8")
    assert made["float_ops"] == 0
    assert set(made) >= {
        "tflite", "scheme", "size_bytes", "sqnr_db", "ops", "float_ops", "transposes",
        "partitions", "runtimes", "tried",
    }  # fmt: skip
    assert made["sqnr_db"]["float"] > 60 > made["sqnr_db"]["int8"] > 10
    assert {row["scheme"] for row in made["tried"]} == {"fp32", "int8"}
    assert made["transposes"] == 0

    of_dense = ("--model", "dense", "--data", "tiny.npz")
    proof = document(folder, "verify", "int8", *of_dense, "--out", "proof")
    assert proof["runtimes"]["ai-edge-litert"]["verdict"] == "passed"
    shown = run(folder, "verify", made["tflite"], *of_dense, "--out", "bare").stdout
    assert "ai-edge-litert" in shown and "passed" in shown
    np.savez(folder / "alone.npz", x=np.load(folder / "tiny.npz")["x_train"])
    alone = ("--model", "dense", "--data", "alone.npz", "--out", "alone")
    found = document(folder, "verify", "int8", *alone)["runtimes"]["ai-edge-litert"]
    assert found["verdict"] == "passed" and found["file"]["agreement"] > 0.9
    assert found["accuracy"] is None  # no targets, nothing to be right about
    wrong = run(folder, "verify", "int8", "--model", "cut", "--data", "tiny.npz", code=4)
    assert "made from another checkpoint" in wrong.stderr or "agrees with torch" in wrong.stderr

    files = ("fp32/model.tflite", "int8/model.tflite")
    quick = ("--processes", "2", "--window-ms", "20", "--warmup-ms", "5")
    record = document(folder, "bench", *files, *quick)["record"]
    assert [arm["name"] for arm in record["arms"]] == ["fp32-model", "int8-model"] or record["arms"]
    assert {row["name"] for row in record["rows"]} >= {"latency_p50", "memory_peak", "file_size"}
    assert record["machine"]["python"].startswith("3.")
    table = run(folder, "compare").stdout
    assert "baseline" in table
    assert (folder / "build/compare.csv").read_text().startswith("record,")


def test_a_changed_artifact_is_not_used(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "changed"
    shutil.copytree(folder / "dense", copy)
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    done = run(folder, "prune", "--model", str(copy), code=2)
    assert "was changed since it was made" in done.stderr


def test_an_output_folder_that_is_not_ours_is_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    done = run(folder, "prune", "--model", "dense", "--out", str(tmp_path), code=2)
    assert "not an artifact" in done.stderr
    assert (tmp_path / "thesis.tex").read_text() == "mine"
