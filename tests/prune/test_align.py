"""`round_to` holds for every tensor of a family, also where families share tensors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pipeline.prune.stage import PruneConfig
from tests.prune.checks import check
from tests.prune.nets import Net, conv, head, shuffled, unit

ALIGNED = PruneConfig(ratio=0.5, round_to=8)


class Shuffled(nn.Module):
    """ShuffleNet V2's units: half of the channels pass, the halves are interleaved."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        half = width // 2
        self.stem = unit(3, width)
        self.branches = nn.ModuleList(
            [nn.Sequential(unit(half, half), unit(half, half, half)) for _ in range(depth)]
        )
        self.head = head(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for branch in self.branches:
            first, second = x.chunk(2, 1)
            x = shuffled(torch.cat([first, branch(second)], 1), 2)
        return self.head(x.mean((2, 3)))


def test_families_that_share_tensors_are_aligned_together() -> None:
    for depth in (1, 2, 3):
        report = check(Shuffled(48, depth), cfg=ALIGNED)
        assert report["unaligned"] == []


def test_primary_and_cheap_features() -> None:
    """GhostNet: a convolution's output beside a depthwise copy of it."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x)
        return m.fc(m.c(torch.cat([y, m.cheap(y)], 1)).mean((2, 3)))

    layers = {"cheap": unit(12, 12, 12), "c": unit(24, 24), "fc": head(24)}
    report = check(Net(forward, a=unit(3, 12), **layers), cfg=ALIGNED)
    assert report["unaligned"] == []


def test_residual_and_dense_paths() -> None:
    """DPN: part of a convolution is added, the rest is appended."""

    def forward(m: Net, x: Tensor) -> Tensor:
        wide, dense = m.a(x), m.b(x)
        for layer in (m.c, m.d):
            y = layer(torch.cat([wide, dense], 1))
            wide, dense = wide + y[:, :24], torch.cat([dense, y[:, 24:]], 1)
        return m.fc(torch.cat([wide, dense], 1).mean((2, 3)))

    layers = {"c": unit(34, 34), "d": unit(44, 34), "fc": head(54)}
    report = check(Net(forward, a=unit(3, 24), b=conv(3, 10), **layers), cfg=ALIGNED)
    assert report["unaligned"] == []


def test_the_inputs_of_a_group_are_no_width() -> None:
    layers = {"b": unit(32, 32, 8), "c": unit(32, 16), "fc": head(16)}
    module = Net(lambda m, x: m.fc(m.c(m.b(m.a(x))).mean((2, 3))), a=unit(3, 32), **layers)
    report = check(module, {"b.0.weight:0": 16, "b.0.weight:1": 2}, cfg=ALIGNED)
    assert report["unaligned"] == []


def test_pieces_of_one_channel_may_go_whole() -> None:
    """ShuffleNet V2 x1.0: 58 channels, which two shuffles cut into pieces of 7, 1, 6, 1, 14, 29."""
    report = check(Shuffled(116, 3), cfg=ALIGNED)
    assert report["unaligned"] == []
    widths = {row["name"]: row["after"] for row in report["families"]}
    assert 0 in widths.values()


def test_a_whole_stage_of_shuffles() -> None:
    """ShuffleNet V2 x1.0's third stage: 232 channels, seven shuffles."""
    report = check(Shuffled(232, 7), cfg=ALIGNED)
    assert report["unaligned"] == []


def test_an_axis_that_cannot_be_a_multiple_is_named() -> None:
    """One score and two widths in a projection: 1 + 2 * width. All other axes still fit."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).transpose(1, 2)
        score, key, value = m.qkv(y).split([1, 32, 32], -1)
        return m.fc(((score.softmax(1) * key).sum(1, keepdim=True) * value.relu()).mean(1))

    module = Net(forward, a=unit(3, 32), qkv=nn.Linear(32, 65), fc=head(32))
    report = check(module, {"a.0.weight:0": 16, "fc.weight:1": 16}, cfg=ALIGNED)
    rows = report["unaligned"]
    assert [row["axis"] for row in rows] == ["qkv.weight:0", "qkv.bias:0"]
    assert [row["possible"] for row in rows] == [False, False]
    assert rows[0]["reason"].endswith("(1 + 2 * 16)")


def test_shuffles_that_leave_no_widths_are_permutations() -> None:
    """Halves of ten channels, shuffled five times: by views, some axes are no multiples of 4."""
    cfg = PruneConfig(ratio=0.5, round_to=4)
    report = check(Shuffled(20, 5), cfg=cfg)
    assert report["unaligned"] == []
