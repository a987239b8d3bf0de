"""What the exporter does not know is written by what it knows, and nothing else changes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.convert.onnx_file import to_onnx
from pipeline.convert.prepare import (
    fill_masks,
    settle_attention,
    spell_out_distances,
    spread_adaptive_pools,
)
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
    assert spread_adaptive_pools(graph) == rewritten
    torch.testing.assert_close(graph(x), want, rtol=1e-5, atol=1e-6)
    kinds = {str(node.target) for node in graph.graph.nodes}
    assert ("aten.adaptive_avg_pool2d.default" in kinds) == (not rewritten)


@pytest.mark.parametrize(
    ("size", "wanted", "rewritten"),
    [((10, 7), (3, 3), 1), ((9, 6), (3, 3), 0), ((8, 9), (5, None), 1), ((4, 4), (6, 5), 1)],
)
def test_adaptive_maxima(size: tuple[int, int], wanted: tuple[int, int], rewritten: int) -> None:
    graph = capture(nn.Sequential(nn.Conv2d(2, 4, 1), nn.AdaptiveMaxPool2d(wanted)), (2, *size))
    x = torch.randn(3, 2, *size)
    want = graph(x)
    assert spread_adaptive_pools(graph) == rewritten
    assert torch.equal(graph(x), want)


class Distances(nn.Module):
    def __init__(self, order: float) -> None:
        super().__init__()
        self.order, self.embed = order, nn.Conv1d(3, 5, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        return torch.cdist(x, x[:, :3] + 1, self.order)


@pytest.mark.parametrize(("order", "rewritten"), [(2.0, 1), (1.0, 1), (float("inf"), 1), (3.0, 0)])
def test_distances_between_rows(order: float, rewritten: int) -> None:
    graph = capture(Distances(order), (3, 7))
    x = torch.randn(2, 3, 7)
    want = graph(x)
    assert spell_out_distances(graph) == rewritten
    torch.testing.assert_close(graph(x), want, rtol=1e-5, atol=1e-5)


class Masked(nn.Module):
    """Numbers written where a mask says, in place and beside, over all axes and over the first."""

    def __init__(self, number: float | list[float]) -> None:
        super().__init__()
        self.embed, self.number = nn.Conv2d(3, 4, 1), number

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.embed(x)
        y[y < 0] = 0.25
        rows = y.mean((2, 3)) > 0.3
        values = torch.tensor(self.number)
        return y.index_put((rows,), values) + y


@pytest.mark.parametrize(("number", "rewritten"), [(2.0, 2), ([0.0, 1.0, 2.0, 3.0, 4.0], 1)])
def test_numbers_at_masked_places(number: float | list[float], rewritten: int) -> None:
    graph = capture(Masked(number), (3, 6, 5))
    x = torch.randn(2, 3, 6, 5)
    want = graph(x)
    assert fill_masks(graph) == rewritten
    assert torch.equal(graph(x), want)
    assert sum("index_put" in str(n.target) for n in graph.graph.nodes) == 2 - rewritten


class Windows(nn.Module):
    """Attention within windows, whose heads come together behind it (as in transformers' Swin)."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(8, 8) for _ in "qkv")
        self.table = nn.Parameter(torch.randn(9, 2))
        self.register_buffer("places", torch.arange(16) % 9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.view(x.shape[0] * 4, 4, 8)
        count = x.shape[0]
        layers = (self.query, self.key, self.value)
        q, k, v = (layer(x).view(count, 4, -1, 4).transpose(1, 2) for layer in layers)
        bias = self.table[self.places].view(4, 4, -1).permute(2, 0, 1).contiguous()[None]
        y = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        y = y.reshape(count, -1, 4, 4).transpose(1, 2).contiguous()
        return y.reshape(count, 4, -1)


def test_attention_whose_result_is_reshaped() -> None:
    graph = capture(Windows(), (16, 8))
    x = torch.randn(2, 16, 8)
    want = graph(x)
    assert settle_attention(graph) == 1
    assert torch.equal(graph(x), want)
    assert to_onnx(graph, 1)


class OneHead(nn.Module):
    """Attention whose rows have no axis of heads, under a mask or a causal one."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.project, self.kind = nn.Linear(8, 24), kind
        self.register_buffer("mask", torch.randn(5, 5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.project(x).chunk(3, -1)
        attend = nn.functional.scaled_dot_product_attention
        if self.kind == "causal":
            return attend(q, k, v, is_causal=True)
        mask = self.mask if self.kind == "shared" else self.mask + x.mean((1, 2), keepdim=True)
        return attend(q, k, v, attn_mask=mask, scale=0.5)


@pytest.mark.parametrize("kind", ["causal", "shared", "own"])
def test_attention_without_an_axis_of_heads(kind: str) -> None:
    graph = capture(OneHead(kind), (5, 8))
    x = torch.randn(2, 5, 8)
    want = graph(x)
    assert settle_attention(graph) == 1
    torch.testing.assert_close(graph(x), want)
    assert to_onnx(graph, 1)
