"""The networks we ship are pruned exactly, aligned, and to about a quarter of their work."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.models.dscnn import dscnn
from pipeline.models.mobilenet_v2 import mobilenet_v2
from pipeline.models.resnet8 import resnet8
from pipeline.prune.stage import PruneConfig
from pipeline.prune.standalone import prune_module
from tests.prune.checks import check
from tests.prune.nets import settle

NETWORKS = {
    "resnet8": (lambda: resnet8((32, 64, 128)), (1, 28, 28)),
    "dscnn": (lambda: dscnn(64, 12), (1, 49, 10)),
    "mobilenet_v2": (lambda: mobilenet_v2(10, 0.5), (3, 32, 32)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_exact_and_aligned(name: str) -> None:
    build, shape = NETWORKS[name]
    report = check(build(), shape=shape, cfg=PruneConfig(ratio=0.5, round_to=8))
    assert report["unaligned"] == []
    assert report["macs"]["after"] < 0.45 * report["macs"]["before"]


@pytest.mark.parametrize("name", ["resnet8", "dscnn"])
def test_global_scope_removes_about_the_share(name: str) -> None:
    build, shape = NETWORKS[name]
    cfg = PruneConfig(ratio=0.4, round_to=1, scope="global", criterion="l1", min_width=2)
    _, _, report = prune_module(settle(build()), shape, cfg)
    widths = report["families"]
    gone = sum(f["before"] - f["after"] for f in widths)
    assert 0.3 < gone / sum(f["before"] for f in widths) <= 0.45
    assert min(f["after"] for f in widths) >= 2


def test_resnet8_halves_every_width() -> None:
    check(resnet8(), {"stem.weight:0": 8, "blocks.2.conv1.weight:0": 32}, (1, 28, 28))


def test_pruned_twice() -> None:
    """A pruned graph is a graph like any other."""
    from pipeline.prune.engine import prune_graph

    once, _, _ = prune_module(settle(resnet8()), (1, 28, 28), PruneConfig(round_to=1))
    twice = prune_graph(once, PruneConfig(round_to=1))
    assert twice.graph_module.get_parameter("stem.weight").shape[0] == 4
    assert twice.graph_module(torch.zeros(3, 1, 28, 28)).shape == (3, 10)


def test_the_module_is_left_alone() -> None:
    module: nn.Module = settle(resnet8())
    before = {k: v.clone() for k, v in module.state_dict().items()}
    prune_module(module, (1, 28, 28), PruneConfig())
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())
