"""A checkpoint is rebuilt from its source and weights, and its digest is stable."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.artifacts import Checkpoint, Workdir
from pipeline.errors import UsageError
from pipeline.models.graph import capture
from pipeline.models.resnet8 import resnet8
from pipeline.prune.checkpoint import load, save, set_weights

SOURCE = {"factory": "pipeline.models.resnet8:resnet8", "args": {"widths": [8, 8, 16]}}


def workdir(folder: Path) -> Workdir:
    (folder / "out").mkdir(parents=True)
    return Workdir(folder / "out", folder / "scratch")


def saved(folder: Path) -> tuple[torch.fx.GraphModule, Checkpoint]:
    torch.manual_seed(3)
    graph = capture(resnet8((8, 8, 16)), (1, 28, 28))
    work = workdir(folder)
    return graph, save(work, graph, source=SOURCE, classes=10)


def test_loads_what_was_saved(tmp_path: Path) -> None:
    graph, checkpoint = saved(tmp_path)
    x = torch.randn(3, 1, 28, 28)
    assert torch.equal(load(checkpoint)(x), graph(x))


def test_same_weights_same_digest(tmp_path: Path) -> None:
    assert saved(tmp_path / "a")[1].digest == saved(tmp_path / "b")[1].digest


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    graph, _ = saved(tmp_path)
    with pytest.raises(UsageError, match="do not fit"):
        set_weights(graph, resnet8((8, 16, 16)).state_dict())
