"""Depth: residual blocks go whole, and nothing else changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import Refused, UsageError
from pipeline.models.graph import capture, named_tensors
from pipeline.prune.certify import difference, to_float64
from pipeline.prune.engine import Pruned, prune_graph
from pipeline.prune.rewrite import apply
from pipeline.prune.stage import PruneConfig
from tests.prune.checks import check_export, check_replay
from tests.prune.nets import SHAPE, Net, conv, head, settle, unit


def residual() -> nn.Module:
    """Four blocks, ReLUs in place as torchvision writes them."""

    def forward(m: Net, x: Tensor) -> Tensor:
        x = m.a(x)
        for first, second, norm in m.blocks:
            y = functional.relu(first(x), inplace=True)
            x = functional.relu(norm(second(y)) + x)
        return m.fc(m.last(x).mean((2, 3)))

    each = [nn.ModuleList([conv(8, 8), conv(8, 8), nn.BatchNorm2d(8)]) for _ in range(4)]
    module = Net(forward, a=unit(3, 8), blocks=nn.ModuleList(each), last=unit(8, 8), fc=head(8))
    return settle(module)


def transformer() -> nn.Module:
    """Two times attention and feed forward, each beside what passes, one of them scaled."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).transpose(1, 2)
        for norm, mha, up, down in m.blocks:
            z = norm(y)
            y = y + mha(z, z, z, need_weights=False)[0]
            y = y + 0.5 * down(up(y).relu())
        return m.fc(y.mean(1))

    def block() -> nn.Module:
        mha = nn.MultiheadAttention(16, 2, batch_first=True)
        return nn.ModuleList([nn.LayerNorm(16), mha, nn.Linear(16, 32), nn.Linear(32, 16)])

    blocks = nn.ModuleList([block(), block()])
    return settle(Net(forward, a=unit(3, 16), blocks=blocks, fc=head(16)))


def cut(module: nn.Module, **settings: Any) -> Pruned:
    cfg = PruneConfig(granularity="blocks", **settings)
    return prune_graph(capture(module, SHAPE), cfg)


def wrong(module: nn.Module, plan: Any, pruned: Any) -> float:
    """How far the user's own module, the branches at zero, is from the pruned graph."""
    tensors = named_tensors(module)
    with torch.no_grad():
        for row in plan["blocks"]:
            for name in row["zero"]:
                tensors[name].zero_()
    x = torch.randn(3, *SHAPE, dtype=torch.float64)
    return difference(module.double(), to_float64(pruned), [x])


@pytest.mark.parametrize("build", [residual, transformer])
def test_half_of_the_blocks(build: Any) -> None:
    pruned = cut(build(), ratio=0.5)
    assert len(pruned.plan["blocks"]) == 2
    assert pruned.report["certificate"]["ok"]
    assert pruned.report["macs"]["after"] < pruned.report["macs"]["before"]
    check_replay(build(), json.loads(json.dumps(pruned.plan)), pruned.graph_module, SHAPE)
    check_export(pruned.graph_module)
    assert wrong(build(), pruned.plan, pruned.graph_module) < 1e-9


def test_nothing_of_a_block_is_left() -> None:
    pruned = cut(residual(), ratio=0.5)
    gone = tuple(row["name"].rsplit(".", 1)[0] + "." for row in pruned.plan["blocks"])
    assert not any(name.startswith(gone) for name in named_tensors(pruned.graph_module))
    assert sum(not row["macs"]["after"] for row in pruned.report["layers"]) == 4


def test_the_block_that_does_least_goes_first() -> None:
    module = residual()
    with torch.no_grad():
        module.blocks[2][2].weight.mul_(1e-3)
        module.blocks[2][2].bias.zero_()
    assert [row["name"] for row in cut(module, ratio=0.25).plan["blocks"]] == ["blocks.2.2"]


def test_a_budget() -> None:
    module = residual()
    pruned = cut(module, macs=0.6)
    share = pruned.report["macs"]["after"] / pruned.report["macs"]["before"]
    assert 0.3 < share <= 0.6
    with pytest.raises(Refused, match="closest that can be met is macs ="):
        cut(module, macs=10)


def test_a_plan_may_be_cut_short_but_not_made_up() -> None:
    graph, plan = capture(residual(), SHAPE), cut(residual(), ratio=0.5).plan
    shorter = {**plan, "blocks": plan["blocks"][:1]}
    assert wrong(residual(), shorter, apply(graph, shorter)) < 1e-9
    with pytest.raises(UsageError, match="no residual block"):
        apply(graph, {**plan, "blocks": [{"name": "x", "sum": 0, "zero": []}]})


def test_a_shortcut_that_computes_is_no_block() -> None:
    layers = {"a": unit(3, 8), "b": unit(3, 8), "fc": head(8)}
    module = Net(lambda m, x: m.fc((m.a(x) + m.b(x)).mean((2, 3))), **layers)
    with pytest.raises(Refused, match="nothing can be pruned"):
        cut(settle(module))


def test_a_shared_layer_is_no_block() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        x = m.a(x)
        x = x + m.b(x)
        return m.fc((x + m.b(x)).mean((2, 3)))

    with pytest.raises(Refused, match="nothing can be pruned"):
        cut(settle(Net(forward, a=unit(3, 8), b=conv(8, 8), fc=head(8))))
