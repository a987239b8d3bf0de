"""A plan is JSON, fits one model, and decides everything."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from pipeline.errors import UsageError
from pipeline.models.graph import capture
from pipeline.models.resnet8 import resnet8
from pipeline.prune.engine import prune_graph
from pipeline.prune.plan import graph_digest
from pipeline.prune.rewrite import apply
from pipeline.prune.stage import PruneConfig

SHAPE = (1, 28, 28)


def planned() -> tuple[torch.fx.GraphModule, dict[str, Any]]:
    torch.manual_seed(0)
    graph = capture(resnet8(), SHAPE)
    return graph, json.loads(json.dumps(prune_graph(graph, PruneConfig()).plan))


def test_another_model_is_refused() -> None:
    _, plan = planned()
    with pytest.raises(UsageError, match="another model"):
        apply(capture(resnet8((16, 32, 48)), SHAPE), plan)
    with pytest.raises(UsageError, match="another model"):
        apply(capture(resnet8(), (1, 32, 32)), plan)


def test_other_weights_are_not_another_model() -> None:
    _, plan = planned()
    torch.manual_seed(1)
    assert apply(capture(resnet8(), SHAPE), plan).get_parameter("stem.weight").shape[0] == 8


def test_an_edited_plan_is_followed() -> None:
    graph, plan = planned()
    plan["families"][0]["kept"] = [1, 5]
    pruned = apply(graph, plan)
    assert torch.equal(
        pruned.get_parameter("stem.weight"), graph.get_parameter("stem.weight")[[1, 5]]
    )


@pytest.mark.parametrize("kept", [[], [0, 0], [3, 1], [0, 99], [-1, 2]])
def test_impossible_channels_are_refused(kept: list[int]) -> None:
    graph, plan = planned()
    plan["families"][0]["kept"] = kept
    with pytest.raises(UsageError, match=r"impossible channels|leaves nothing"):
        apply(graph, plan)


def test_unknown_family_and_format_are_refused() -> None:
    graph, plan = planned()
    with pytest.raises(UsageError, match="no plan"):
        apply(graph, {})
    plan["families"][0]["name"] = "nobody"
    with pytest.raises(UsageError, match="nobody"):
        apply(graph, plan)


def test_the_digest_is_of_the_structure() -> None:
    first, second = capture(resnet8(), SHAPE), capture(resnet8(), SHAPE)
    assert graph_digest(first) == graph_digest(second)
    assert graph_digest(first) != graph_digest(capture(resnet8(classes=9), SHAPE))
