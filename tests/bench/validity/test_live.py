"""The real agent on a tree of files that changes under it, and runtimes that cheat: all is seen."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.bench.arms import Arm
from pipeline.bench.assemble import Session, to_record
from pipeline.bench.records import Record
from pipeline.bench.settings import SessionSettings
from pipeline.board import session
from tests.agent import boards

CAPTURES = Path(__file__).parents[2] / "captures"
POLICY = "sys/devices/system/cpu/cpufreq/policy0"
RUNTIME = '''
import hashlib, time
import numpy as np

class Interpreter:
    """Answers with the sum of its input, after some work; CHEAT says how it cheats."""

    def __init__(self, model_path, num_threads):
        self.value = self.answer = None
        self.known = {}

    def allocate_tensors(self):
        pass

    def get_input_details(self):
        shape = np.array([1, 64])
        return [{"name": "x", "index": 0, "shape": shape, "shape_signature": shape,
                 "dtype": np.float32, "quantization": (0.0, 0)}]

    def get_output_details(self):
        shape = np.array([1, 2])
        return [{"name": "y", "index": 1, "shape": shape, "dtype": np.float32,
                 "quantization": (0.0, 0)}]

    def get_signature_list(self):
        return {}

    def set_tensor(self, index, value):
        self.value = value

    def get_tensor(self, index):
        return np.array([[self.answer, 0.25]], np.float32)

    def invoke(self):
        key = hashlib.sha256(self.value.tobytes()).digest()
        if CHEAT == "cache" and key in self.known:
            self.answer = self.known[key]
            return
        end = time.perf_counter() + 0.002
        while time.perf_counter() < end:
            pass
        weights = np.arange(64, dtype=np.float32)
        self.answer = 0.5 if CHEAT == "constant" else float((self.value * weights).sum())
        self.known[key] = self.answer
'''


def tree(root: Path, capture: str = "rpi4-documented") -> Path:
    """A board's files below a folder."""
    for name, text in json.loads((CAPTURES / capture / "texts.json").read_text()).items():
        if name.startswith("/"):
            path = root / name[1:]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return root


def measured(
    tmp_path: Path, *, cheat: str = "", root: str = "", meanwhile: Callable[[], None] | None = None,
    model: Callable[[Path], None] = lambda _: None, **settings: Any,
) -> Record:  # fmt: skip
    """A session of the real agent with such a runtime; `meanwhile` once a process is done."""
    package = tmp_path / "site" / "tflite_runtime"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text(f"CHEAT = {cheat!r}\n{RUNTIME}")
    metadata = tmp_path / "site" / "tflite_runtime-2.14.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: tflite-runtime\nVersion: 2.14.0\n")
    path = tmp_path / "model.tflite"
    path.write_bytes(b"....TFL3 a model")
    arm = Arm("only", path)
    given = SessionSettings("pi4", processes=3, window_ms=60, warmup_ms=10, **settings)
    spec = boards.spec(
        "measure", path, runtime="tflite-runtime", site=[str(tmp_path / "site")], root=root,
        order=[0, 0, 0], window_ns=60_000_000, warmup_ns=10_000_000, watch_interval_ms=20,
        state=str(tmp_path / "state"), governor=given.governor,
    )  # fmt: skip
    spec["arms"][0]["name"] = "only"
    done = iter([True])

    def told(event: dict[str, Any]) -> None:
        if event["event"] == "process" and next(done, False):
            model(path)
            if meanwhile is not None:
                meanwhile()

    events = session.run(Path(sys.executable), spec, timeout_s=120, on_event=told)
    path.write_bytes(b"....TFL3 a model")
    return to_record(
        Session("live", datetime(2026, 1, 1, tzinfo=UTC), given, [arm], [0, 0, 0], events, [], None)
    )


def reasons(record: Record) -> set[str]:
    return {caution.kind for caution in record.invalid}


def test_an_honest_runtime_is_not_accused(tmp_path: Path) -> None:
    found = reasons(measured(tmp_path))
    assert not found & {"CACHED_OUTPUT", "CONSTANT_OUTPUT", "WRONG_MODEL", "CLOCK_JUMP"}


def test_a_runtime_that_answers_from_a_cache_is(tmp_path: Path) -> None:
    assert "CACHED_OUTPUT" in reasons(measured(tmp_path, cheat="cache"))


def test_a_model_that_always_says_the_same_is(tmp_path: Path) -> None:
    assert "CONSTANT_OUTPUT" in reasons(measured(tmp_path, cheat="constant"))


def test_a_file_that_is_exchanged_meanwhile_is_seen_by_its_digest(tmp_path: Path) -> None:
    record = measured(tmp_path, model=lambda path: path.write_bytes(b"....TFL3 another"))
    assert "WRONG_MODEL" in reasons(record)


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        (f"{POLICY}/scaling_governor", "powersave\n", "GOVERNOR_CHANGED"),
        (f"{POLICY}/scaling_max_freq", "1500000\n", "CLOCK_UNSTEADY"),
        ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n", "UNDER_VOLTAGE"),
        ("sys/class/thermal/cooling_device0/cur_state", "2\n", "THROTTLED"),
        ("sys/devices/system/cpu/online", "0-2\n", "CPUS_CHANGED"),
        (f"{POLICY}/stats/time_in_state", "600000 1\n1500000 2\n1800000 3\n", "CLOCK_RECORD"),
    ],
)
def test_a_board_that_changes_meanwhile_and_back_is_seen(
    tmp_path: Path, path: str, text: str, reason: str
) -> None:
    root = tree(tmp_path / "root")
    before = (root / path).read_text()

    def change() -> None:
        (root / path).write_text(text)
        threading.Timer(0.15, lambda: (root / path).write_text(before)).start()

    assert reason in reasons(measured(tmp_path, root=str(root), meanwhile=change))


def test_our_own_governor_is_set_told_and_restored(tmp_path: Path) -> None:
    root = tree(tmp_path / "root")
    record = measured(tmp_path, root=str(root), governor="performance")
    assert "GOVERNOR_CHANGED" not in reasons(record)
    assert record.before.governors == {"policy0": "ondemand"}
    assert (root / POLICY / "scaling_governor").read_text() == "ondemand\n"
