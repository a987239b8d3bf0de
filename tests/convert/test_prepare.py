"""Adaptive pools with uneven windows become matrices, and nothing else changes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.convert.prepare import spread_adaptive_pools
from pipeline.models.graph import capture


@pytest.mark.parametrize(
    ("size", "wanted", "rewritten"),
    [((10, 7), (3, 3), 1), ((9, 6), (3, 3), 0), ((8, 9), (5, None), 1), ((5, 5), (1, 1), 0)],
)
def test_adaptive_pools(size: tuple[int, int], wanted: tuple[int, int], rewritten: int) -> None:
    net = nn.Sequential(nn.Conv2d(2, 4, 1), nn.AdaptiveAvgPool2d(wanted), nn.ReLU())
    graph = capture(net, (2, *size))
    x = torch.randn(3, 2, *size)
    want = graph(x)
    assert spread_adaptive_pools(graph, (2, *size)) == rewritten
    torch.testing.assert_close(graph(x), want, rtol=1e-5, atol=1e-6)
    kinds = {str(node.target) for node in graph.graph.nodes}
    assert ("aten.adaptive_avg_pool2d.default" in kinds) == (not rewritten)
