"""Files of raw samples: what is judged, and what is refused with its place and the fix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.bench.judged import judge_traces
from pipeline.bench.judged_text import text
from pipeline.bench.records import Verdict
from pipeline.bench.traces import read_traces
from pipeline.errors import UsageError


def write(folder: Path, content: Any) -> Path:
    path = folder / "samples.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def arm(level: float, processes: int = 12, seed: int = 0) -> list[list[float]]:
    chance = np.random.default_rng(seed)
    logs = chance.normal(0, 0.005, (processes, 1)) + chance.normal(0, 0.01, (processes, 60))
    return (level * np.exp(logs)).round().tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is no JSON"),
        ("[1, 2", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ([1], "no two arms"),
        ({"a": [[1]]}, "no two arms"),
        ({"a": [1, 2], "b": [[1]]}, "'a' is no list of processes"),
        ({"a": {"x": [1]}, "b": [[1]]}, "'a' is no list of processes"),
        ({"a": [[1, 2]], "b": [[1, -5]]}, r"b\[0\]\[1\] is -5"),
        ({"a": [[0]], "b": [[1]]}, r"a\[0\]\[0\] is 0"),
        ('{"a": [[1]], "b": [[NaN]]}', r"b\[0\]\[0\] is NaN"),
        ('{"a": [[1]], "b": [[1, Infinity]]}', r"b\[0\]\[1\] is Infinity"),
        ('{"a": [[1]], "b": [[1e999]]}', r"b\[0\]\[0\] is Infinity"),
        ('{"a": [[1]], "b": [[1' + "0" * 400 + "]]}", r"b\[0\]\[0\] is .*beyond"),
        ({"a": [["1"]], "b": [[1]]}, r'a\[0\]\[0\] is "1"'),
        ({"a": [[True]], "b": [[1]]}, r"a\[0\]\[0\] is true"),
        ({"a": [[None]], "b": [[1]]}, r"a\[0\]\[0\] is null"),
        ({"a": [[1], [1]], "b": [[1]]}, "'a' has 2 processes, 'b' has 1"),
        ({"a": [], "b": []}, "no pair"),
        ({"a": [[]], "b": [[1]]}, "no pair"),
        ({"a": [[1]], "b": [[1]], "pairs": []}, "no pair"),
        ({"a": [[1]], "b": [[1]], "pairs": {}}, "'pairs' is no list"),
        ({"a": [[1]], "b": [[1]], "pairs": [[0]]}, r"pairs\[0\] is \[0\]"),
        ({"a": [[1]], "b": [[1]], "pairs": [[0, 0.0]]}, r"pairs\[0\] is \[0, 0.0\]"),
        ({"a": [[1]], "b": [[1]], "pairs": [[0, 1]]}, r"pairs\[0\] names b\[1\], which is not"),
        ({"a": [[1]], "b": [[1]], "pairs": [[-1, 0]]}, r"pairs\[0\] names a\[-1\], which is not"),
        ({"a": [[1], [1]], "b": [[1], [1]], "pairs": [[0, 0], [0, 1]]}, r"names a\[0\] a second"),
    ],
)
def test_what_is_no_trace_is_refused(content: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        read_traces(write(tmp_path, content))
    assert "fix: " in str(refused.value)
    assert len(str(refused.value).splitlines()) == 2


def test_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_traces(tmp_path / "none.json")


def test_pairs_are_by_index_where_the_file_names_none(tmp_path: Path) -> None:
    judged = judge_traces(read_traces(write(tmp_path, {"a": arm(1e6), "b": arm(1.1e6, seed=1)})))
    assert judged.decision.verdict is Verdict.SLOWER
    assert judged.decision.pairs == 12
    document = json.loads(json.dumps(judged.document()))
    assert document["paired"] == "by index"
    assert document["interval"][0] < document["ratio"] < document["interval"][1]
    assert document["arms"]["a"]["steadiness"] == {"flat": 12}
    assert "by index" in text(judged)


def test_the_order_of_pairs_decides_which_processes_are_compared(tmp_path: Path) -> None:
    drift = [[1e6 * 1.1**k] * 40 for k in range(6)]
    content = {"a": drift, "b": drift[::-1], "pairs": [[k, 5 - k] for k in range(6)]}
    judged = judge_traces(read_traces(write(tmp_path, content)))
    assert (judged.decision.verdict, judged.decision.ratio) == (Verdict.EQUIVALENT, 1.0)
    del content["pairs"]
    assert judge_traces(read_traces(write(tmp_path, content))).decision.verdict is Verdict.UNDECIDED


def test_a_failed_process_takes_its_pair_along_and_is_counted(tmp_path: Path) -> None:
    a, b = arm(1e6), arm(1e6, seed=1)
    b[4] = []
    judged = judge_traces(read_traces(write(tmp_path, {"a": a, "b": b})))
    assert (judged.decision.pairs, judged.document()["pairs_lost"]) == (11, 1)
    assert "1 more lost" in text(judged)


def test_warm_up_is_left_out_and_counted(tmp_path: Path) -> None:
    cold = [[value * (1.3 if k < 20 else 1) for k, value in enumerate(p)] for p in arm(1e6)]
    judged = judge_traces(read_traces(write(tmp_path, {"a": arm(1e6), "b": cold})))
    assert judged.decision.ratio == pytest.approx(1, abs=0.01)
    counted = judged.document()["arms"]["b"]
    assert counted["steadiness"]["warm-up"] >= 11
    assert counted["samples_left_out"] == pytest.approx(12 * 20, abs=40)
    assert "warm-up samples left out" in text(judged)


@pytest.mark.parametrize("pairs", [1, 2])
def test_too_few_pairs_decide_nothing(pairs: int, tmp_path: Path) -> None:
    judged = judge_traces(read_traces(write(tmp_path, {"a": [[1]] * pairs, "b": [[9]] * pairs})))
    assert judged.decision.verdict is Verdict.UNDECIDED
    assert "UNDECIDED" in text(judged)
    json.dumps(judged.document(), allow_nan=False)
