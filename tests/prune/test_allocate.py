"""Budgets are met exactly, bounds and multiples are kept, and what cannot be is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, fx, nn

from pipeline.errors import Refused, UsageError
from pipeline.models.graph import capture
from pipeline.models.mobilenet_v2 import mobilenet_v2
from pipeline.models.resnet8 import resnet8
from pipeline.prune.cost import int8_size, macs, parameters
from pipeline.prune.engine import Pruned, prune_graph
from pipeline.prune.families import Family
from pipeline.prune.stage import PruneConfig

SHAPE = (1, 28, 28)


@pytest.fixture(scope="module")
def graph() -> fx.GraphModule:
    torch.manual_seed(0)
    return capture(resnet8(), SHAPE)


def cut(graph: fx.GraphModule, **settings: Any) -> Pruned:
    return prune_graph(graph, PruneConfig(**{"round_to": 1, **settings}))


def widths(pruned: Pruned) -> dict[str, int]:
    return {f["name"]: f["width"]["after"] for f in pruned.plan["families"]}


def size(graph: fx.GraphModule) -> int:
    return int8_size(list(p.shape) for p in graph.parameters())


@pytest.mark.parametrize("scope", ["local", "global", "isomorphic"])
@pytest.mark.parametrize(("kind", "cost"), [("params", parameters), ("macs", macs), ("size", size)])
def test_a_budget_is_met_and_not_undershot(
    graph: fx.GraphModule, scope: str, kind: str, cost: Any
) -> None:
    pruned = cut(graph, scope=scope, **{kind: 0.4})
    reached = cost(pruned.graph_module) / cost(graph)
    assert 0.36 < reached <= 0.4
    exact = cut(graph, scope=scope, **{kind: int(0.4 * cost(graph))})
    assert widths(exact) == widths(pruned)


def test_the_size_of_the_demos_files_is_estimated_within_one_percent() -> None:
    for wide, measured_kib in (((32, 64, 128), 325.8), ((16, 32, 64), 92.30)):
        estimate = size(capture(resnet8(wide), SHAPE)) / 1024
        assert abs(estimate / measured_kib - 1) < 0.01


@pytest.mark.parametrize("kind", ["params", "macs", "size"])
def test_a_budget_that_cannot_be_met_says_the_closest_that_can(
    graph: fx.GraphModule, kind: str
) -> None:
    with pytest.raises(Refused, match=f"closest that can be met is {kind} = ") as error:
        cut(graph, **{kind: 10})
    closest = int(str(error.value).split("= ")[1])
    assert widths(cut(graph, **{kind: closest}))
    with pytest.raises(Refused):
        cut(graph, **{kind: closest - 1})


def test_given_widths_are_what_comes_out_and_the_rest_stays(graph: fx.GraphModule) -> None:
    found = cut(graph, family={"blocks.*.conv1.weight": {"width": 12}})
    assert widths(found) == {f"blocks.{n}.conv1.weight": 12 for n in range(3)}


def test_bounds_hold_under_a_ratio_and_a_budget(graph: fx.GraphModule) -> None:
    family = {"*": {"min": 12}, "stem.weight": {"max": 5}}
    for settings in ({"ratio": 0.75}, {"params": 0.5, "scope": "global"}):
        found = widths(cut(graph, family=family, **settings))
        assert found["stem.weight"] <= 5
        assert all(width >= 12 for name, width in found.items() if name != "stem.weight")


def weak_stem(family: Family) -> Tensor:
    """All but one of the stem's channels matter little beside any other layer's."""
    weak = torch.linspace(1, 1.1, family.width)
    return torch.cat([weak[1:] * 1e-3, weak[:1]]) if family.name == "stem.weight" else weak


def test_no_layer_is_emptied_below_its_share(graph: fx.GraphModule) -> None:
    settings: dict[str, Any] = {"criterion": f"{__name__}:weak_stem", "scope": "global"}
    for budget in ({"ratio": 0.5}, {"macs": 0.4}):
        assert widths(cut(graph, **settings, **budget))["stem.weight"] == 1
        held = cut(graph, **settings, **budget, min_share=0.4).plan["families"]
        assert {f["name"]: f["width"]["after"] for f in held}["stem.weight"] == 7
        assert all(f["width"]["after"] >= 0.4 * f["width"]["before"] for f in held)


def test_a_least_share_is_of_the_dense_width(graph: fx.GraphModule) -> None:
    """Not of what an earlier round left."""
    first = cut(graph, ratio=0.5, progress=0.5, min_share=0.6)
    second = prune_graph(
        first.graph_module,
        PruneConfig(round_to=1, ratio=0.5, min_share=0.6),
        history=[first.plan],
    )
    whole = {f["name"]: f["width"]["before"] for f in first.plan["families"]}
    assert widths(second) == {name: math.ceil(0.6 * width) for name, width in whole.items()}


def test_widths_that_cannot_be_name_the_nearest(graph: fx.GraphModule) -> None:
    with pytest.raises(Refused, match="closest widths are 8 and 16"):
        cut(graph, round_to=8, family={"stem.weight": {"width": 10}})
    with pytest.raises(Refused, match="closest width is 16"):
        cut(graph, round_to=8, family={"stem.weight": {"width": 99}})
    with pytest.raises(Refused, match="max = 8"):
        cut(graph, round_to=8, family={"stem.weight": {"max": 7}})
    with pytest.raises(UsageError, match=r"'nobody' fits none[^\0]*stem\.weight"):
        cut(graph, family={"nobody": {"width": 4}})


def test_every_tensor_of_a_family_is_a_multiple() -> None:
    graph = capture(mobilenet_v2(), (3, 32, 32))
    for scope in ("local", "global", "isomorphic"):
        pruned = cut(graph, scope=scope, ratio=0.5, round_to=8)
        assert pruned.report["unaligned"] == []


def first_are_worst(family: Family) -> Tensor:
    """Layer `0` matters a thousand times less than the others."""
    return torch.arange(1.0, family.width + 1) * (1e-3 if family.name == "0.weight" else 1)


def test_isomorphic_ranks_among_the_same_structure() -> None:
    """Layer 2 alone has a batch norm: it loses its own quarter; 0 loses the others' too."""
    layers = [nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(),
              nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)]  # fmt: skip
    graph = capture(nn.Sequential(*layers), (6,))
    settings = {"criterion": f"{__name__}:first_are_worst", "ratio": 0.25}
    assert widths(cut(graph, scope="isomorphic", **settings)) == {"0.weight": 4, "2.weight": 6}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ratio": 0.5, "macs": 0.5}, "one of them, not ratio and macs"),
        ({"family": {"a": {"width": 8, "min": 4}}}, "either width, or min and max"),
        ({"family": {"a": {"max": 3, "min": 4}}}, "min is above max"),
        ({"family": {"a": {"widht": 8}}}, "widht"),
    ],
)
def test_contradictions_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        PruneConfig(**settings)


def test_local_takes_the_same_share_everywhere(graph: fx.GraphModule) -> None:
    for family in cut(graph, ratio=0.3).plan["families"]:
        before = family["width"]["before"]
        assert family["width"]["after"] == before - math.floor(before * 0.3)
