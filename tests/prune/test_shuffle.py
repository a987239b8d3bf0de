"""Channel shuffles permute channels between groups."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.prune.checks import check
from tests.prune.nets import Net, conv, head, shuffled, unit


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


def test_concat_shuffle_excite() -> None:
    check(concat_shuffle_excite(), {"a.0.weight:0": 4, "b.0.weight:0": 4, "c.0.weight:1": 8})
