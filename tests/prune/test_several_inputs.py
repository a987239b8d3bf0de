"""Networks of several inputs and of integers are cut, proved and written back like any other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.artifacts import Checkpoint
from pipeline.config.recipe import DataConfig, TaskConfig
from pipeline.data.source import Data
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import Ports
from pipeline.models import program
from pipeline.models.factory import build
from pipeline.models.graph import capture
from pipeline.prune.certify import difference
from pipeline.prune.checkpoint import load, save
from pipeline.prune.stage import PruneConfig
from pipeline.prune.steps import run_prune
from pipeline.prune.writeback import write_back
from tests.convert.chains import DIGEST, workdir
from tests.inputs import networks
from tests.prune.checks import check

WIDTHS = {
    "fused": {"deep.weight:1": 8, "deep.weight:0": 8, "told.weight:0": 8, "head.weight:1": 8},
    "encoder": {"words.weight:1": 8, "places.weight:1": 8, "wide.weight:0": 16},
    "streaming": {"front.weight:0": 6, "cell.weight_hh_l0:1": 8},
}


@pytest.mark.parametrize("name", sorted(WIDTHS))
def test_the_cut_is_exact_and_what_joins_is_cut_together(name: str) -> None:
    torch.manual_seed(0)
    report = check(getattr(networks, name)(), WIDTHS[name], shape=networks.ports(name))
    assert report["certificate"]["ok"]


def checkpoint(folder: Path, name: str) -> Checkpoint:
    source = {"factory": f"tests.inputs.networks:{name}", "args": {}, "digest": DIGEST, "seed": 0}
    graph = capture(build(source).eval(), networks.ports(name))
    return save(workdir(folder), graph, source=source, classes=5)


@pytest.mark.parametrize("criterion", ["l1", "taylor", "activation"])
def test_a_checkpoint_is_pruned_saved_and_reloaded_with_all_inputs(
    tmp_path: Path, criterion: str
) -> None:
    dense = checkpoint(tmp_path / "dense", "encoder")
    x, y = networks.samples("encoder", 40), np.arange(40) % 5
    arrays = {f"{name}_train": x.by_name(name) for name in x.names}
    np.savez(tmp_path / "data.npz", **arrays, y_train=y)
    ports = Ports.of(dense.meta["input"])
    data = Data(DataConfig(npz=tmp_path / "data.npz"), ports, 5, TaskConfig())
    cfg = PruneConfig(ratio=0.5, round_to=1, export=True, criterion=criterion, samples=24)
    made, report = run_prune(dense, data, cfg, workdir(tmp_path / "pruned"))
    assert report["certificate"]["ok"]
    assert made.meta["input"] == dense.meta["input"]
    graph = load(made)
    for again in (capture(*program.load(made.file("model.pt2"))), graph):
        assert again.meta["ports"] == ports
        assert difference(again, graph, [x.tensors()]) < 1e-6
    own = write_back(build(dense.meta["source"]), graph, inputs=x[:3].tensors())
    assert own.words.weight.shape[1] == 8


def test_blocks_are_judged_on_valid_ids(tmp_path: Path) -> None:
    dense = checkpoint(tmp_path / "dense", "encoder")
    cfg = PruneConfig(granularity="blocks", ratio=0.5)
    made, report = run_prune(dense, None, cfg, workdir(tmp_path / "pruned"))
    assert report["certificate"]["ok"] and report["blocks"]
    ids, mask = networks.samples("encoder", 4).tensors().arrays
    assert load(made)(ids, mask).shape == (4, 5)


def test_a_wrong_cut_shows_on_integer_inputs() -> None:
    torch.manual_seed(0)
    one, two = (capture(networks.encoder(), networks.ports("encoder")) for _ in range(2))
    ids = Batch(dict(zip(("a", "b"), one.meta["ports"].draw(3).tensors().arrays, strict=True)))
    assert difference(one, one, [ids]) == 0
    assert difference(one, two, [ids]) > 1e-3
