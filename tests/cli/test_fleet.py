"""`secateur fleet` from the command line: the steps once, every board's outcome, the worst code."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pipeline.bench.results import read_all
from tests import tiny

TWIN = '# its twin\ntitle = "twin"\ntransport = "local"\nruntimes = ["ai-edge-litert"]\n'
GONE = '# a board\ntitle = "a board"\ntransport = "ssh"\nruntimes = ["ai-edge-litert"]\n'


@pytest.fixture(autouse=True)
def targets(home: Path) -> None:
    folder = home / "config/targets"
    folder.mkdir(parents=True)
    (folder / "twin.toml").write_text(TWIN)
    (folder / "gone.toml").write_text(GONE)


def untrained(folder: Path) -> Path:
    """The tiny recipe's model as it is, in float: conversion is the only long step."""
    recipe = tiny.write(folder)
    head, _, rest = recipe.read_text().partition("[[step]]")
    measure = rest[rest.index("[measure]") :]
    arm = '[[arm]]\nname = "dense"\nfrom = "model"\nscheme = "fp32"\n'
    recipe.write_text(head + arm + measure)
    return recipe


def fleet(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(tiny.command("fleet", *words), capture_output=True, text=True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--hosts", "a,a", "--target", "gone"], "empty or repeated"),
        (["--hosts", "a,,b", "--target", "gone"], "empty or repeated"),
        (["--hosts", "gone,local"], "[boards.gone]"),
        (["--hosts", "locla"], "did you mean 'local'"),
        (["--hosts", "pi@one", "--target", "local"], "is on this machine"),
        (["--hosts", "-oProxyCommand=id", "--target", "gone"], "host"),
        ([], "Missing option '--hosts'"),
    ],
)
def test_wrong_boards_are_refused_before_any_step(
    words: list[str], said: str, tmp_path: Path
) -> None:
    done = fleet(str(tiny.write(tmp_path)), *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "running" not in done.stderr


def test_all_boards_are_measured_but_the_one_that_is_gone(home: Path, tmp_path: Path) -> None:
    (home / "config/lab.toml").write_text('[boards.gone]\nhost = "ssh://nobody@127.0.0.1:1"\n')
    results = ["--results", str(tmp_path / "results")]
    done = fleet(str(untrained(tmp_path)), "--hosts", "local,gone,twin", "--json", *results)
    assert done.returncode == 3, done.stderr
    boards = {each["board"]: each for each in json.loads(done.stdout)["boards"]}
    assert [each["exit_code"] for each in boards.values()] == [0, 3, 0]
    assert "127.0.0.1:1" in boards["gone"]["error"]
    assert "fix: " in boards["gone"]["error"]
    stored = read_all(tmp_path / "results")
    assert {s.record.target for s in stored} == {"local", "twin"}
    assert {s.record.id for s in stored} == {
        boards[name]["record"]["id"] for name in ("local", "twin")
    }
    assert done.stderr.count("(convert): running") == 1, "the steps run once for all boards"
    assert "gone: " in done.stderr
