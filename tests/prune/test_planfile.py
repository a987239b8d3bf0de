"""A plan is read, shown, compared, edited and replayed bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.artifacts import Checkpoint, Workdir
from pipeline.errors import UsageError
from pipeline.models.graph import capture
from pipeline.models.resnet8 import resnet8
from pipeline.prune.checkpoint import save
from pipeline.prune.picture import widths_png
from pipeline.prune.planfile import difference, read, short
from pipeline.prune.stage import PruneConfig, prune

SOURCE = {"factory": "pipeline.models.resnet8:resnet8", "args": {"widths": [8, 16, 16]}}


def workdir(folder: Path) -> Workdir:
    (folder / "out").mkdir(parents=True)
    return Workdir(folder / "out", folder / "scratch")


@pytest.fixture
def dense(tmp_path: Path) -> Checkpoint:
    torch.manual_seed(3)
    graph = capture(resnet8((8, 16, 16)), (1, 28, 28))
    work = workdir(tmp_path / "dense")
    return save(work, graph, source=SOURCE, classes=10)


def cut(dense: Checkpoint, folder: Path, **settings: Any) -> Checkpoint:
    return prune(dense, data=None, cfg=PruneConfig(**settings), work=workdir(folder))


def test_a_replayed_plan_gives_the_same_artifact(dense: Checkpoint, tmp_path: Path) -> None:
    first = cut(dense, tmp_path / "a", macs=0.4, scope="global", round_to=2)
    again = cut(dense, tmp_path / "b", plan=first.file("plan.json"))
    assert again.digest == first.digest


def test_an_edited_plan_is_replayed_and_certified(dense: Checkpoint, tmp_path: Path) -> None:
    first = cut(dense, tmp_path / "a", round_to=4)
    plan = read(first.path)
    plan["families"][0]["kept"] = [0, 1, 2]
    (tmp_path / "edited.json").write_text(json.dumps(plan))
    made = cut(dense, tmp_path / "b", plan=tmp_path / "edited.json")
    assert read(made.path)["families"][0]["width"] == {"before": 8, "after": 3}
    report = json.loads(made.file("report.json").read_text())
    assert report["certificate"]["ok"]
    assert all(row["possible"] for row in report["unaligned"])  # the plan says otherwise
    assert {row["width"] for row in report["unaligned"]} == {3}


def test_a_plan_for_another_model_is_refused(dense: Checkpoint, tmp_path: Path) -> None:
    first = cut(dense, tmp_path / "a", round_to=4)
    with pytest.raises(UsageError, match=r"another model[^\0]*digests"):
        cut(first, tmp_path / "b", plan=first.file("plan.json"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"plan": 99}', '{"plan": 1, "families": [3]}'])
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(UsageError, match="plan"):
        read(tmp_path)


def test_difference_names_the_channels(dense: Checkpoint, tmp_path: Path) -> None:
    first = read(cut(dense, tmp_path / "a", round_to=4).path)
    same = {"same_model": True, "families": {}, "settings": {}}
    assert difference(first, first) == {**same, "blocks": {"added": [], "removed": []}}
    second = json.loads(json.dumps(first))
    family = second["families"].pop()
    second["families"][0]["kept"] = [0, 1, 2, 3]
    kept = set(first["families"][0]["kept"])
    found = difference(first, second)["families"]
    name = first["families"][0]["name"]
    if kept != {0, 1, 2, 3}:
        assert found[name]["removed"] == sorted(kept - {0, 1, 2, 3})
    whole = set(range(family["width"]["before"]))
    assert found[family["name"]] == {"added": sorted(whole - set(family["kept"])), "removed": []}


def test_channels_are_shown_as_runs() -> None:
    assert short([0, 1, 2, 5, 7, 8]) == "0-2 5 7-8"


def test_the_picture_is_a_png_and_the_same_every_time() -> None:
    rows = [{"name": "a.weight", "before": 64, "after": 24}]
    assert widths_png(rows) == widths_png(rows)
    assert widths_png(rows).startswith(b"\x89PNG")
