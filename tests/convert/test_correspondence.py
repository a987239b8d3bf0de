"""Tensors are recognised by value, whatever a converter did to their axes and names."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pipeline.convert.correspondence import correspond, file_activations, torch_activations
from pipeline.models.graph import capture
from pipeline.prune.checkpoint import load
from tests.convert.chains import chain

RNG = np.random.default_rng(0)


class Deep(nn.Module):
    """Over a hundred layers of one shape: shapes tell nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(6, 6, 3, padding=1) for _ in range(60))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = x + layer(x).relu() * 0.2
        return x


GRAPH = capture(Deep(), (6, 6, 6))
VALUES = torch_activations(GRAPH, torch.from_numpy(RNG.standard_normal((2, 6, 6, 6), "f4")))


@settings(deadline=None)
@given(st.permutations([1, 2, 3]))
def test_all_of_two_hundred_tensors_are_found_under_any_permutation(axes: list[int]) -> None:
    names = list(VALUES)
    stored = {i: VALUES[name].transpose(0, *axes) for i, name in enumerate(names)}
    found = correspond(GRAPH, VALUES, stored)
    assert len(names) > 180
    for index, match in found.items():
        moved = match.in_file_layout(VALUES[match.node], stored[index].shape)
        assert np.array_equal(moved, stored[index])
    assert [found[i].node for i in range(len(names))] == names


def test_noise_is_nobody_and_of_equals_the_earliest_is_meant() -> None:
    names = list(VALUES)
    twice = {**VALUES, "later": VALUES[names[3]].copy()}
    stored = {0: VALUES[names[3]], 1: RNG.standard_normal((2, 6, 6, 6)).astype("f4")}
    found = correspond(GRAPH, twice, stored)
    assert found[0].node == names[3]
    assert 1 not in found


def test_a_converted_network_is_recognised_with_its_source_lines() -> None:
    made = chain("pools")
    gm, x = load(made.checkpoint), made.data.inputs("validation")[:2]
    values = torch_activations(gm, torch.from_numpy(x))
    moved = np.ascontiguousarray(x.transpose(made.exported.meta["layout"]["input"]))
    scratch = made.exported.path.parent / "probe"
    stored = file_activations(made.exported.file("float.tflite"), moved, scratch, 300)
    found = correspond(gm, values, stored)
    names = [match.node for match in found.values()]
    assert any("relu" in name for name in names)
    assert any("linear" in name for name in names)
    assert any("networks.py:" in match.source for match in found.values())
    assert len(found) >= len(stored) / 2
