"""`--fail-on` where something was measured: the record stays, and the exit code says 5."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pipeline import cli
from tests.bench.models import write_dense


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["secateur", *words])
        code = cli._exit_code()
    return (code, *capsys.readouterr())


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


def test_bench_fails_after_it_kept_and_told_what_it_measured(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [
        str(write_dense(tmp_path / f"{name}.tflite", width=width))
        for name, width in (("small", 16), ("large", 60_000))
    ]
    how = ["--processes", "6", "--warmup-ms", "5", "--window-ms", "20", "--results", str(results)]
    bounds = ["--fail-on", "size>+3%", "--fail-on", "p99>1000s"]
    code, out, err = run(capsys, "bench", *files, *how, "--json", *bounds)
    assert code == 5, err
    found = json.loads(out)
    gates = {gate["gate"]: gate for gate in found["gates"]}
    assert gates["size>+3%"]["outcome"] == "BROKEN"
    assert gates["p99>1000s"]["outcome"] != "BROKEN"
    assert "size>+3% is BROKEN for large" in err
    assert (Path(found["folder"]) / "record.json").is_file()
    states = found["record"]["processes"]
    assert len(states) == 12
    assert {state["steadiness"] for state in states} <= {
        "flat", "warm-up", "slowdown", "no steady state", "too few samples"
    }  # fmt: skip


def test_compare_holds_what_was_measured_to_bounds(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (name,) = (folder.name for folder in results.iterdir())
    where = ["--results", str(results), "--build", str(tmp_path)]
    assert run(capsys, "compare", *where, "--fail-on", "size>+3%")[0] == 5
    code, out, _ = run(capsys, "compare", *where, "--json", "--fail-on", "size>100MiB")
    assert (code, json.loads(out)["gates"][0]["outcome"]) == (0, "HELD")
    assert run(capsys, "compare", name, name, *where, "--fail-on", "size>+0%")[0] == 0
    code, out, err = run(capsys, "compare", name, name, *where, "--fail-on", "latency>+3%")
    assert (code, out) == (2, "")
    assert "secateur bench A B --fail-on" in err


def test_a_bound_is_read_before_anything_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "run", "demo", "--fail-on", "speed>+3%")
    assert (code, out) == (2, "")
    assert "'speed' is no metric" in err
