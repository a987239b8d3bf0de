"""Chunks, splits and slices cut channels apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.prune.checks import check, reasons
from tests.prune.nets import Net, head, unit


def chunk() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        first, second = m.a(x).chunk(2, 1)
        return m.fc((m.b(first) * m.c(second)).mean((2, 3)))

    return Net(forward, a=unit(3, 16), b=unit(8, 16), c=unit(8, 16), fc=head(16))


def split_chain() -> nn.Module:
    """The block of YOLOv8: pieces of a split are reused and concatenated."""

    def forward(m: Net, x: Tensor) -> Tensor:
        parts = list(m.a(x).split((8, 8), 1))
        parts.append(parts[-1] + m.b(parts[-1]))
        return m.fc(m.c(torch.cat(parts, 1)).mean((2, 3)))

    return Net(forward, a=unit(3, 16), b=unit(8, 8), c=unit(24, 16), fc=head(16))


def slices() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x)
        return m.fc(torch.cat([m.b(y[:, :6]), m.c(y[:, -10:])], 1).mean((2, 3)))

    return Net(forward, a=unit(3, 16), b=unit(6, 8), c=unit(10, 8), fc=head(16))


def strided_slice(step: int, left: int) -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(m.c(m.b(m.a(x)[:, ::step])).mean((2, 3)))

    return Net(forward, a=unit(3, 16), b=unit(left, 12), c=unit(12, 8), fc=head(8))


def test_chunk() -> None:
    check(chunk(), {"a.0.weight:0": 8, "b.0.weight:1": 4})


def test_split_chain() -> None:
    check(split_chain(), {"a.0.weight:0": 8, "c.0.weight:1": 12})


def test_slices() -> None:
    check(slices(), {"a.0.weight:0": 8, "b.0.weight:1": 3, "c.0.weight:1": 5})


def test_strided_slice() -> None:
    check(strided_slice(2, 8), {"a.0.weight:0": 8, "b.0.weight:1": 4})
    report = check(strided_slice(3, 6), {"a.0.weight:0": 16, "b.0.weight:0": 6})
    assert "slice: slices the channels with a step that does not divide them" in reasons(report)
