"""`rounds = n` becomes steps of their own, which a killed run resumes at."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.run import load_recipe, steps_of
from tests import tiny
from tests.config.test_recipe import GOOD

ROUNDS = 'ratio = 0.6\nrounds = 3\nfinetune = { epochs = 1, teacher = "dense" }'


def problems(tmp_path: Path, text: str) -> str:
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(UsageError) as error:
        steps_of(load_recipe(str(tmp_path / "recipe.toml")))
    return str(error.value)


def test_rounds_are_prune_and_finetune_in_turns(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(GOOD.replace("ratio = 0.5", ROUNDS))
    steps = {step.id: step for step in load_recipe(str(tmp_path / "recipe.toml")).steps}
    assert list(steps) == [
        "model", "dense", "cut/1", "cut/1/finetune", "cut/2", "cut/2/finetune", "cut", "small",
    ]  # fmt: skip
    assert steps["cut/2"].inputs == {"model": "cut/1/finetune"}
    assert steps["cut/1/finetune"].inputs == {"model": "cut/1", "teacher": "dense"}
    assert steps["small"].inputs == {"model": "cut", "teacher": "dense"}
    assert [steps[n].config.continues for n in ("cut/1", "cut/2", "cut")] == [0, 1, 2]
    assert steps["cut"].config.progress == 1


def test_what_is_wrong_with_rounds_is_said(tmp_path: Path) -> None:
    assert "from 1 up" in problems(tmp_path, GOOD.replace("ratio = 0.5", "rounds = 0"))
    assert "rounds = 2 or more" in problems(
        tmp_path, GOOD.replace("ratio = 0.5", "finetune = { epochs = 1 }")
    )
    assert "epohcs" in problems(
        tmp_path, GOOD.replace("ratio = 0.5", "rounds = 2\nfinetune = { epohcs = 1 }")
    )


def widths(folder: str) -> list[int]:
    """Of the stem, after each plan."""
    meta = json.loads((Path(folder) / "manifest.json").read_text())["meta"]
    after = [{f["name"]: f["width"]["after"] for f in plan["families"]} for plan in meta["plans"]]
    return [found.get("blocks.2.conv1.weight", 0) for found in after]


def test_a_killed_series_goes_on_at_the_last_finished_round(tmp_path: Path) -> None:
    recipe = tiny.write(tmp_path)
    settings = 'use = "prune"\nratio = 0.5\nround_to = 1\nrounds = 3\nfinetune = { epochs = 1 }'
    recipe.write_text(recipe.read_text().replace('use = "prune"', settings))
    words = tiny.command("run", str(recipe), "--until", "cut", "--json")

    def finish(home: Path) -> list[dict[str, object]]:
        done = subprocess.run(words, env=tiny.environment(home), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["steps"]

    home = tmp_path / "killed"
    process = subprocess.Popen(
        words, env=tiny.environment(home), stderr=subprocess.PIPE, text=True,
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "cut/2 (prune): made" in line:
            process.send_signal(signal.SIGKILL)
            break
    process.communicate()
    resumed = finish(home)
    cached = {step["id"]: step["cached"] for step in resumed}
    assert cached["cut/1/finetune"] and cached["cut/2"] and not cached["cut"]
    whole = finish(tmp_path / "unbroken")
    assert [step["digest"] for step in resumed] == [step["digest"] for step in whole]
    digest = str(whole[-1]["digest"])
    folder = tmp_path / "unbroken/cache/store/artifacts" / digest[:2] / digest
    assert widths(str(folder)) == [13, 11, 8]
