"""Whole sessions with the real agent and runtime, on tiny files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.bench.accuracy import TestSample
from pipeline.bench.arms import Arm
from pipeline.bench.files import bench_files
from pipeline.bench.measure import measure
from pipeline.bench.records import Verdict
from pipeline.bench.results import read_all, read_raw
from pipeline.bench.settings import SessionSettings
from pipeline.board.board import LocalBoard, closing
from pipeline.errors import Refused
from tests.bench.models import write_dense

QUICK: dict[str, Any] = {"warmup_ms": 5, "window_ms": 20, "max_iterations": 2000}
LAYOUT = {"input": [0, 1], "outputs": [{"name": "y", "to_torch": [0, 1]}]}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "small": write_dense(folder / "small.tflite", width=16),
        "large": write_dense(folder / "large.tflite", width=60_000),
    }


def test_a_much_larger_file_is_slower(models: dict[str, Path], tmp_path: Path) -> None:
    settings = SessionSettings("local", processes=6, **QUICK)
    stored = bench_files(
        [models["small"], models["large"]], settings, LocalBoard(), results=tmp_path
    )
    found = stored.record
    wanted = Verdict.INVALID if found.invalid else Verdict.SLOWER  # this machine's own noise counts
    assert found.comparisons[0].verdict is wanted
    assert found.comparisons[0].pairs == 6
    for name in ("load", "first_inference", "latency_p50", "memory_peak", "file_size"):
        for arm in ("small", "large"):
            row = found.row(name, arm)
            assert row is not None and row.value > 0
    assert found.row("accuracy", "small") is None
    assert (found.machine.runtime, found.machine.name) != ("", "local")
    assert found.machine.runtime_version and found.machine.cpus
    assert [s.record for s in read_all(tmp_path)] == [found]
    raw = [e for e in read_raw(stored.folder) if e["event"] == "process"]
    assert [e["index"] for e in raw] == list(range(12))
    assert all(e["samples_ns"] for e in raw)


def test_accuracy_comes_from_the_board(models: dict[str, Path], tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    inputs = chance.standard_normal((60, 8)).astype(np.float32)
    weights = np.random.default_rng(0)
    hidden, out = weights.standard_normal((8, 16)), weights.standard_normal((16, 3))
    targets = (np.maximum(inputs @ hidden, 0) @ out).argmax(-1)
    targets[:15] = (targets[:15] + 1) % 3
    sample = TestSample(inputs, targets, lambda o, t: float((o.argmax(-1) == t).mean()))
    arms = [Arm("ours", models["small"], LAYOUT), Arm("bare", models["small"])]
    settings = SessionSettings("local", processes=1, **QUICK)
    with closing(LocalBoard()) as board:
        scratch = Path(board.scratch())
        record = measure(arms, settings, board, recipe="r", results=tmp_path, sample=sample).record
    assert not scratch.exists()
    found = record.row("accuracy", "ours")
    assert found is not None
    assert (found.value, found.n) == (0.75, 60)
    assert record.row("accuracy", "bare") is None
    assert record.comparisons[0].verdict is Verdict.UNDECIDED
    assert "FEW_PROCESSES" in [caution.kind for caution in record.cautions]


def test_an_arm_that_never_runs_is_refused_with_its_reason(
    models: dict[str, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(models["small"].read_bytes()[:300])
    settings = SessionSettings("local", processes=1, **QUICK)
    with pytest.raises(Refused, match=r"every process of arm 'broken' failed: \S"):
        bench_files([models["small"], broken], settings, LocalBoard(), results=tmp_path / "results")
    assert not (tmp_path / "results").exists()
