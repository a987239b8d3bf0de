"""Kernels that slide over the channels: zeros stand where channels went."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.models.graph import capture
from pipeline.prune.slides import spread
from tests.prune.checks import UNPROVEN, check, reasons
from tests.prune.nets import SHAPE, Net, conv, head, settle, unit


def efficient_channel_attention(shifted: bool = False) -> nn.Module:
    """ECA-Net: a kernel over the means of neighbouring channels gives each its gate."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.b(m.a(x))
        means = y.mean((2, 3)) + 1 if shifted else y.mean((2, 3))
        gate = m.eca(means.unsqueeze(1)).transpose(1, 2).unsqueeze(-1)
        return m.fc(m.c(y * gate.sigmoid()).mean((2, 3)))

    eca = nn.Conv1d(1, 1, 3, padding=1, bias=False)
    return Net(forward, a=unit(3, 16), b=unit(16, 16), eca=eca, c=unit(16, 8), fc=head(8))


def triplet_attention() -> nn.Module:
    """Two statistics of each channel and row, and a kernel over channels by rows."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x)
        turned = y.permute(0, 3, 1, 2)
        pair = torch.stack([turned.amax(1), turned.mean(1)], 1)
        gate = m.k(pair).sigmoid().permute(0, 2, 3, 1)
        return m.fc(functional.relu(m.c(y * gate)).mean((2, 3)))

    return Net(forward, a=unit(3, 16), k=conv(2, 1), c=unit(16, 8), fc=head(8))


def test_efficient_channel_attention() -> None:
    report = check(efficient_channel_attention(), {"b.0.weight:0": 8, "eca.weight:2": 3})
    assert report["certificate"]["kind"] == "mask-equivalence"


def test_triplet_attention() -> None:
    check(triplet_attention(), {"a.0.weight:0": 8, "k.weight:0": 1})


def test_channels_that_are_not_zero_need_consent() -> None:
    shifted = efficient_channel_attention(shifted=True)
    report = check(shifted, {"a.0.weight:0": 8, "b.0.weight:0": 16})
    assert "conv1d: the channels lie on an axis the kernel slides over" in reasons(report)
    report = check(shifted, {"b.0.weight:0": 8}, cfg=UNPROVEN, independent=False)
    assert report["certificate"]["uncertified"] == ["conv1d (conv1d)"]
    assert not report["certificate"]["ok"]


def test_kernels_over_places_stay_as_they_are() -> None:
    """A map of one score for each place: its kernel slides over no channels."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x)
        return m.fc((y * m.k(y.mean(1, keepdim=True)).sigmoid()).mean((2, 3)))

    graph = capture(settle(Net(forward, a=unit(3, 8), k=conv(1, 1), fc=head(8))), SHAPE)
    assert spread(graph) is graph


def test_a_kernel_of_one_place_passes_the_channels() -> None:
    """Mixers write layers over tokens as such kernels (Tolstikhin et al., 2021)."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).transpose(1, 2)
        return m.fc(m.c(y + m.mix(y).relu()).relu().mean(1))

    layers = {"mix": nn.Conv1d(64, 64, 1), "c": nn.Linear(16, 8), "fc": head(8)}
    check(Net(forward, a=unit(3, 16), **layers), {"a.0.weight:0": 8, "mix.weight:0": 64})
