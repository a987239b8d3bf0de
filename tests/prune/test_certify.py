"""The certificate fails when a rewrite is wrong, even where the weights would hide it."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
import torch
from torch import fx, nn

from pipeline.models.graph import capture, named_tensors
from pipeline.models.resnet8 import resnet8
from pipeline.prune.certify import CertificateError, certify, difference
from pipeline.prune.engine import prune_graph
from pipeline.prune.families import Family, families
from pipeline.prune.stage import PruneConfig
from pipeline.prune.trace import Trace
from tests.prune.checks import HALF, check
from tests.prune.nets import SHAPE, Net, conv, settle
from tests.prune.test_shuffle import channel_shuffle, concat_shuffle_excite

Parts = tuple[fx.GraphModule, Trace, list[Family], Any]


def parts(module: nn.Module, shape: tuple[int, ...] = SHAPE) -> Parts:
    graph = capture(settle(module), shape)
    plan = prune_graph(graph, HALF).plan
    trace = Trace(graph)
    return graph, trace, families(trace, named_tensors(graph)), plan


def test_real_inputs_are_checked_too() -> None:
    graph, trace, found, plan = parts(concat_shuffle_excite())
    certificate = certify(graph, trace, found, plan, inputs=torch.randn(2, *SHAPE))
    assert certificate["kind"] == "mask-equivalence"
    assert certificate["max_relative_error"] <= 1e-9
    with pytest.raises(CertificateError):
        certify(graph, trace, found, plan, inputs=torch.full((1, *SHAPE), torch.nan))


@pytest.mark.parametrize("number", range(5))
def test_other_channels_than_planned(number: int) -> None:
    graph, trace, found, plan = parts(concat_shuffle_excite())
    wrong = dataclasses.replace(found[number], labels=found[number].labels.roll(1))
    mutated = [*found[:number], wrong, *found[number + 1 :]]
    with pytest.raises(CertificateError):
        certify(graph, trace, mutated, plan)


@pytest.mark.parametrize("member", [0, -1])
def test_wrong_places_in_one_tensor(member: int) -> None:
    graph, trace, found, plan = parts(resnet8(), (1, 28, 28))
    for number in range(len(plan["families"])):
        wrong = copy.deepcopy(plan)
        runs = wrong["families"][number]["members"][member]["positions"]
        size = int(runs.rpartition(":")[2])
        wrong["families"][number]["members"][member]["positions"] = f"1:{size},0:1"
        with pytest.raises(CertificateError):
            certify(graph, trace, found, wrong)


def test_a_rule_that_mistakes_a_shuffle(monkeypatch: pytest.MonkeyPatch) -> None:
    """If labels came out of a transposition in the wrong order, the proof would not hold."""
    settled = Trace.settled

    def mistaken(self: Trace, labels: Any, node: fx.Node, item: int | None = None) -> Any:
        right = settled(self, labels, node, item)
        is_last = node.name.startswith("reshape")
        return right.roll(1, 1).contiguous() if is_last else right

    monkeypatch.setattr(Trace, "settled", mistaken)
    with pytest.raises(CertificateError):
        prune_graph(capture(settle(channel_shuffle()), SHAPE), HALF)


def test_layers_that_are_zero_do_not_hide_a_mistake() -> None:
    module = resnet8()
    for name, parameter in module.named_parameters():
        if "bn2.weight" in name or "shortcut" in name:
            nn.init.zeros_(parameter)
    graph = capture(module.eval(), (1, 28, 28))
    plan = prune_graph(graph, PruneConfig(round_to=1)).plan
    trace = Trace(graph)
    found = families(trace, named_tensors(graph))
    hidden = next(i for i, f in enumerate(found) if f.name == "blocks.1.conv1.weight")
    wrong = dataclasses.replace(found[hidden], labels=found[hidden].labels.roll(1))
    with pytest.raises(CertificateError):
        certify(graph, trace, [*found[:hidden], wrong, *found[hidden + 1 :]], plan)


def test_decisions_among_the_outputs_are_compared() -> None:
    class Decides(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = conv(3, 16), nn.Conv2d(16, 4, 1)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            y = self.head(self.body(x).relu())
            return y, y > 0, y.argmax(1)

    check(Decides(), {"body.weight:0": 8})


def test_random_numbers_are_the_same_in_another_memory_layout() -> None:
    drawn = Net(lambda _, x: torch.randn_like(x))
    last = Net(lambda _, x: torch.randn_like(x.contiguous(memory_format=torch.channels_last)))
    assert difference(drawn, last, [torch.zeros(2, 3, 4, 4)]) == 0
