"""Channel shuffles permute channels between groups."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.graph import capture
from pipeline.prune.shuffles import untie
from tests.prune.checks import check
from tests.prune.nets import SHAPE, Net, conv, head, settle, shuffled, unit


def channel_shuffle() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(m.c(shuffled(m.b(m.a(x)), 4)).mean((2, 3)))

    return Net(forward, a=unit(3, 16), b=unit(16, 16), c=unit(16, 8), fc=head(8))


def shuffle_operator() -> nn.Module:
    layers = {"a": unit(3, 16), "s": nn.ChannelShuffle(2), "c": unit(16, 8), "fc": head(8)}
    return Net(lambda m, x: m.fc(m.c(m.s(m.a(x))).mean((2, 3))), **layers)


def concat_shuffle_excite() -> nn.Module:
    """Concat, shuffle, squeeze-excite and chunk in one."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = shuffled(torch.cat([m.a(x), m.b(x)], 1), 2)
        y = m.d(m.c(y))
        y = y * m.up(m.down(y.mean((2, 3), keepdim=True)).relu()).sigmoid()
        left, right = y.chunk(2, 1)
        return m.fc(torch.cat([left, m.e(right)], 1).mean((2, 3)))

    return Net(
        forward, a=unit(3, 8), b=unit(3, 8), c=unit(16, 16), d=unit(16, 16, 16),
        down=conv(16, 8, 1), up=conv(8, 16, 1), e=unit(8, 8), fc=head(16),
    )  # fmt: skip


def test_channel_shuffle() -> None:
    check(channel_shuffle(), {"b.0.weight:0": 8, "c.0.weight:1": 8})


def test_shuffle_operator() -> None:
    check(shuffle_operator(), {"a.0.weight:0": 8, "c.0.weight:1": 8})


class Halves(nn.Module):
    """ShuffleNet V2's units, as deep as its third stage: every shuffle ties the halves."""

    def __init__(self, width: int, depth: int, shuffle: Callable[[Tensor, int], Tensor]) -> None:
        super().__init__()
        self.stem, self.fc, self.shuffle = unit(3, width), head(width), shuffle
        self.branches = nn.ModuleList([unit(width // 2, width // 2) for _ in range(depth)])

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for branch in self.branches:
            first, second = x.chunk(2, 1)
            x = self.shuffle(torch.cat([first, branch(second)], 1), 2)
        return self.fc(x.mean((2, 3)))


@pytest.mark.parametrize("shuffle", [shuffled, functional.channel_shuffle])
def test_a_shuffle_that_would_tie_all_channels_is_a_permutation(
    shuffle: Callable[[Tensor, int], Tensor],
) -> None:
    """Half of 20 channels, shuffled with new ones five times, are all tied to each other."""
    module = Halves(20, 5, shuffle)
    untied = untie(capture(settle(module), SHAPE))
    picks = [node for node in untied.graph.nodes if "index_select" in str(node.target)]
    assert 0 < len(picks) < 5
    report = check(module)
    assert {row["op"] for row in report["frozen"]} == {"output"}


def test_other_shuffles_stay_views() -> None:
    graph = capture(settle(Halves(32, 3, shuffled)), SHAPE)
    assert untie(graph) is graph
    spatial = Net(lambda m, x: m.fc(m.a(x).transpose(2, 3).flatten(1)), a=unit(3, 4), fc=head(256))
    graph = capture(settle(spatial), SHAPE)
    assert untie(graph) is graph


def test_concat_shuffle_excite() -> None:
    check(concat_shuffle_excite(), {"a.0.weight:0": 4, "b.0.weight:0": 4, "c.0.weight:1": 8})
