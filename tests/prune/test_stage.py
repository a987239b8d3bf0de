"""The prune stage: checkpoint in, smaller checkpoint out, the same bytes every time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from pipeline.artifacts import Checkpoint, Workdir
from pipeline.errors import Refused, UsageError
from pipeline.models.graph import capture
from pipeline.models.resnet8 import resnet8
from pipeline.prune.checkpoint import load, save
from pipeline.prune.stage import PruneConfig, prune
from pipeline.prune.standalone import prune_module

SOURCE = {"factory": "pipeline.models.resnet8:resnet8", "args": {"widths": [8, 16, 16]}}


class Noise:
    """Random samples with the methods of the recipe's data."""

    def count(self, split: str) -> int:
        return 200

    def inputs(self, split: str, index: Any = None) -> Any:
        x = np.random.default_rng(0).normal(size=(200, 1, 28, 28)).astype(np.float32)
        return x if index is None else x[index]

    def targets(self, split: str, index: Any = None) -> Any:
        return (np.arange(200) % 10)[slice(None) if index is None else index]

    def loss(self) -> Any:
        return torch.nn.functional.cross_entropy


def workdir(folder: Path) -> Workdir:
    (folder / "out").mkdir(parents=True)
    return Workdir(folder / "out", folder / "scratch")


@pytest.fixture
def dense(tmp_path: Path) -> Checkpoint:
    torch.manual_seed(3)
    graph = capture(resnet8((8, 16, 16)), (1, 28, 28))
    work = workdir(tmp_path / "dense")
    return save(work, graph, source=SOURCE, classes=10)


@pytest.mark.parametrize("criterion", ["l2", "taylor", "random"])
def test_same_inputs_same_digest(dense: Checkpoint, tmp_path: Path, criterion: str) -> None:
    cfg = PruneConfig(criterion=criterion, round_to=4, samples=100)
    made = [prune(dense, data=Noise(), cfg=cfg, work=workdir(tmp_path / n)) for n in "ab"]
    assert made[0].digest == made[1].digest
    x = torch.randn(3, 1, 28, 28)
    first, second = load(made[0]), load(made[1])
    assert torch.equal(first(x), second(x))
    assert first.get_parameter("stem.weight").shape[0] == 4


def test_what_the_artifact_holds(dense: Checkpoint, tmp_path: Path) -> None:
    cfg = PruneConfig(round_to=4)
    once = prune(dense, data=None, cfg=cfg, work=workdir(tmp_path / "once"))
    twice = prune(once, data=None, cfg=cfg.model_copy(update={"round_to": 2}),
                  work=workdir(tmp_path / "twice"))  # fmt: skip
    plan = json.loads(once.file("plan.json").read_text())
    report = json.loads(once.file("report.json").read_text())
    assert twice.meta["plans"][0] == plan
    assert len(twice.meta["plans"]) == 2
    assert load(twice).get_parameter("stem.weight").shape[0] == 2
    assert report["certificate"]["ok"]
    assert report["params"]["after"] < report["params"]["before"]
    assert not any("source" in row for row in report["frozen"])
    assert "/" not in once.file("report.json").read_text()


def test_taylor_without_data(dense: Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs data"):
        prune(dense, data=None, cfg=PruneConfig(criterion="taylor"), work=workdir(tmp_path / "x"))


@pytest.mark.parametrize("ratio", [0, 1, -0.5, 1.5])
def test_ratio_outside_its_range(ratio: float) -> None:
    with pytest.raises(ValidationError, match="ratio"):
        PruneConfig(ratio=ratio)


def test_an_unknown_criterion() -> None:
    with pytest.raises(ValidationError, match="criterion"):
        PruneConfig(criterion="l3")


def test_not_finite_weights() -> None:
    module = resnet8()
    nn.init.constant_(module.classifier.bias, torch.nan)
    with pytest.raises(UsageError, match="NaN") as error:
        prune_module(module, (1, 28, 28), PruneConfig())
    assert "classifier.bias" in str(error.value)


def test_nothing_can_be_pruned() -> None:
    with pytest.raises(Refused, match="nothing can be pruned"):
        prune_module(nn.Linear(4, 3), (4,), PruneConfig())


def test_nothing_is_left_to_prune_after_rounding() -> None:
    with pytest.raises(Refused, match="round_to 64"):
        prune_module(resnet8(), (1, 28, 28), PruneConfig(round_to=64))


def test_a_rejected_shape() -> None:
    with pytest.raises(UsageError, match="rejects an input of shape 3,28,28"):
        prune_module(resnet8(), (3, 28, 28), PruneConfig())
