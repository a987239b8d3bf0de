"""`secateur verdict`: one document, its verdict, and an exit code for a pipeline."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline import cli
from tests import tiny


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Twenty pairs, b 4 % slower."""
    chance = np.random.default_rng(1)
    arms = {
        name: (level * np.exp(chance.normal(0, 0.008, (20, 40)))).round().tolist()
        for name, level in (("a", 1e6), ("b", 1.04e6))
    }
    path = tmp_path / "samples.json"
    path.write_text(json.dumps({**arms, "pairs": [[n, n] for n in range(20)]}))
    return path


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["secateur", "verdict", *words])
        code = cli._exit_code()
        return (code, *capsys.readouterr())

    return run


def test_the_document_holds_the_decision(main, samples: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, err = main(str(samples), "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert (found["verdict"], found["pairs"], found["pairs_needed"]) == ("SLOWER", 20, None)
    assert found["interval"][0] < 1.04 < found["interval"][1]
    assert found["bootstrap"][0] < found["ratio"] < found["bootstrap"][1]
    assert (found["confidence"], found["error_rate"]) == (0.95, 0.05)
    assert found["band"] == pytest.approx([1 / 1.01, 1.01])


def test_people_read_the_verdict_first(main, samples: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = main(str(samples))
    assert code == 0
    assert out.startswith("SLOWER: b takes 1.04")


@pytest.mark.parametrize(
    ("bounds", "code"),
    [
        (["latency>+3%"], 5),
        (["latency>+6%"], 0),
        (["latency>+4%"], 0),
        (["latency>+4%", "--fail-undecided"], 5),
        (["latency>+6%", "--fail-on", "p90>1.01ms"], 5),
        (["latency>6%"], 2),
        (["size>+3%"], 2),
    ],
)
def test_a_bound_is_a_gate(main, samples: Path, bounds: list[str], code: int) -> None:  # type: ignore[no-untyped-def]
    got, out, err = main(str(samples), "--json", "--fail-on", *bounds)
    assert got == code, err
    assert "Traceback" not in err
    if code == 2:
        assert (out, "fix: " in err) == ("", True)
    else:
        outcomes = [gate["outcome"] for gate in json.loads(out)["gates"]]
        assert outcomes and ("BROKEN" in outcomes or code == 0 or "UNDECIDED" in outcomes)


def test_a_broken_bound_says_by_how_much(main, samples: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, err = main(str(samples), "--fail-on", "latency>+3%")
    assert code == 5
    assert out.startswith("SLOWER")
    assert "latency>+3% is BROKEN for b: +4." in err


def test_a_dash_reads_what_is_piped_in(samples: Path) -> None:
    with samples.open() as piped:
        done = subprocess.run(
            tiny.command("verdict", "-", "--json"), stdin=piped, capture_output=True, text=True
        )
    assert json.loads(done.stdout)["verdict"] == "SLOWER", done.stderr


def test_no_samples_no_verdict(main, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    code, out, err = main(str(tmp_path / "none.json"))
    assert (code, out) == (2, "")
    assert "none.json: No such file" in err
