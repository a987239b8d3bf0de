"""Events of a session as its record: nothing invented, nothing lost."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.bench.accuracy import TestSample, write_samples
from pipeline.bench.arms import Arm
from pipeline.bench.assemble import Session, to_record
from pipeline.bench.plan import session_order
from pipeline.bench.records import Record, Verdict
from pipeline.bench.settings import SessionSettings
from tests.bench.energy_events import blocks
from tests.bench.sessions import process

LAYOUT = {"input": [0, 2, 3, 1], "outputs": [{"name": "y", "to_torch": [0, 1]}]}
LEVELS = {"dense": 1_000_000, "small": 500_000}


def arms(tmp_path: Path) -> list[Arm]:
    made = []
    for name in LEVELS:
        path = tmp_path / f"{name}.tflite"
        path.write_bytes(b"....TFL3" + name.encode() * 10)
        made.append(Arm(name, path, LAYOUT))
    return made


def events_of(order: list[int], **extra: Any) -> list[dict[str, Any]]:
    """Processes whose samples lie around their arm's level, a little more for each position."""
    names = list(LEVELS)
    made = []
    for index, arm in enumerate(order):
        level = LEVELS[names[arm]] + 100 * index
        made.append(process(index, names[arm], [level - 10, level, level + 10], **extra))
    return made


def build(tmp_path: Path, events: list[dict[str, Any]], **changes: Any) -> Record:
    given = {
        "recipe": "r", "started": datetime(2026, 1, 1, tzinfo=UTC), "arms": arms(tmp_path),
        "settings": SessionSettings("local"), "order": session_order(2, 10, 0), "events": events,
        "outputs": [], "sample": None,
    }  # fmt: skip
    return to_record(Session(**{**given, **changes}))


@pytest.fixture
def order() -> list[int]:
    return session_order(2, 10, 0)


def test_figures_of_every_arm(tmp_path: Path, order: list[int]) -> None:
    record = build(tmp_path, events_of(order))
    p50 = record.row("latency_p50", "dense")
    assert p50 is not None and p50.interval is not None
    assert p50.interval[0] <= p50.value <= p50.interval[1]
    assert p50.value == pytest.approx(1_000_950, abs=500)
    assert (p50.n, p50.unit, p50.raw) == (10, "ns", "samples_ns")
    names = {row.name for row in record.rows if row.arm == "small"}
    assert names == {
        "load", "first_inference", "latency_p50", "latency_p90", "latency_p99", "file_size",
        "memory_python", "memory_runtime", "memory_peak",
    }  # fmt: skip


def test_the_candidate_is_judged_against_the_first_arm(tmp_path: Path, order: list[int]) -> None:
    record = build(tmp_path, events_of(order))
    found = record.comparison("small")
    assert found is not None
    assert (found.verdict, found.pairs, found.baseline) == (Verdict.FASTER, 10, "dense")
    assert found.ratio == pytest.approx(0.5, rel=1e-3)
    assert record.comparison("dense") is None


def test_what_no_process_told_has_no_row(tmp_path: Path, order: list[int]) -> None:
    record = build(tmp_path, events_of(order, memory_kib={"peak": None}, load_ns=None))
    assert record.row("memory_peak", "dense") is None
    assert record.row("load", "dense") is None
    assert not [row for row in record.rows if "energy" in row.name or row.name == "accuracy"]
    assert not [row for row in record.rows if row.value == 0]


def test_a_failed_process_is_kept_and_its_pair_left_out(tmp_path: Path, order: list[int]) -> None:
    events = events_of(order)
    events[3] = {"event": "failed", "index": 3, "arm": events[3]["arm"],
                 "reason": "died with SIGABRT", "signal": 6, "stderr": "abort"}  # fmt: skip
    record = build(tmp_path, events)
    found = record.comparison("small")
    assert found is not None and found.pairs == 9
    assert [(f.index, f.signal, f.stderr) for f in record.failures] == [(3, 6, "abort")]
    assert "FAILED_PROCESSES" in [c.kind for c in record.cautions]


def test_an_emulator_marks_its_times(tmp_path: Path, order: list[int]) -> None:
    record = build(tmp_path, events_of(order), settings=SessionSettings("vb", emulated=True))
    scopes = {row.name: row.scope for row in record.rows}
    assert record.emulated
    assert scopes["latency_p50"] == scopes["load"] == "emulated"
    units = {row.unit for row in record.rows if row.scope == "emulated"}
    assert units == {"instructions"}
    assert "CLOCK_UNKNOWN" not in [caution.kind for caution in record.cautions]


def test_an_emulator_has_no_energy(tmp_path: Path, order: list[int]) -> None:
    events = [*events_of(order), *blocks(["dense", "small"])]
    for emulated in (False, True):
        settings = SessionSettings("vb", emulated=emulated)
        record = build(tmp_path, events, settings=settings)
        assert any(row.unit == "mJ" for row in record.rows) is not emulated


def sample(count: int, **changes: Any) -> TestSample:
    inputs = np.arange(count * 6, dtype=np.float32).reshape(count, 1, 2, 3)
    given = {"inputs": inputs, "targets": np.zeros(count, int),
             "metric": lambda o, t: float((o.argmax(-1) == t).mean())}  # fmt: skip
    return TestSample(**{**given, **changes})


def outputs(tmp_path: Path, right: int, count: int) -> list[dict[str, Any]]:
    scores = np.zeros((count, 3), np.float32)
    scores[:right, 0], scores[right:, 1] = 1, 1
    np.savez(tmp_path / "small.npz", y=scores)
    return [{"event": "outputs", "arm": "small", "path": str(tmp_path / "small.npz")}]


def test_accuracy_with_its_exact_interval(tmp_path: Path, order: list[int]) -> None:
    answers = outputs(tmp_path, 45, 50)
    record = build(tmp_path, events_of(order), outputs=answers, sample=sample(50))
    found = record.row("accuracy", "small")
    assert found is not None and found.interval is not None
    assert (found.value, found.n, found.unit) == (0.9, 50, "fraction")
    assert found.interval == pytest.approx((0.7819, 0.9667), abs=1e-4)
    assert record.row("accuracy", "dense") is None


def test_a_metric_of_ones_own_is_a_score(tmp_path: Path, order: list[int]) -> None:
    own = sample(50, metric=lambda o, t: 40 * float(o[:, 0].mean()), is_share=False)
    record = build(tmp_path, events_of(order), outputs=outputs(tmp_path, 45, 50), sample=own)
    found = record.row("accuracy", "small")
    assert found is not None and found.interval is not None
    assert (found.value, found.unit) == (pytest.approx(36), "score")
    assert found.interval[0] < 36 < found.interval[1]


def test_a_metric_without_a_value_has_no_row(tmp_path: Path, order: list[int]) -> None:
    own = sample(50, metric=lambda o, t: float("nan"))
    record = build(tmp_path, events_of(order), outputs=outputs(tmp_path, 45, 50), sample=own)
    assert record.row("accuracy", "small") is None


def test_samples_are_written_in_each_files_layout(tmp_path: Path) -> None:
    given = [*arms(tmp_path), Arm("foreign", tmp_path / "x.tflite")]
    paths = write_samples(sample(4), given, tmp_path)
    assert set(paths) == {"dense", "small"}
    assert paths["dense"] == paths["small"]
    np.testing.assert_array_equal(np.load(paths["dense"])[2, 1, 2], sample(4).inputs[2, :, 1, 2])
