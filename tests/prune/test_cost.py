"""Parameters and MACs against numbers worked out by hand and published ones."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from pipeline.models.graph import capture
from pipeline.models.mobilenet_v2 import mobilenet_v2
from pipeline.prune.cost import macs, parameters
from tests.prune.test_attention import attention


class Last(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[0][:, -1]


@pytest.mark.parametrize(
    ("module", "shape", "expected"),
    [
        (nn.Conv2d(3, 8, 3, 2, 1), (3, 16, 16), 8 * 8 * 8 * 27),
        (nn.Conv2d(8, 8, 3, 1, 1, groups=8), (8, 4, 4), 8 * 16 * 9),
        (nn.ConvTranspose2d(4, 6, 2, 2), (4, 5, 5), 4 * 25 * 6 * 4),
        (nn.Linear(7, 5), (3, 7), 3 * 7 * 5),
        (attention(), (3, 8, 8), 64 * (16 * 27 + 16 * 48 + 16 * 8) + 2 * 64 * 64 * 16 + 8 * 5),
        (Last(nn.GRU(6, 4, 2, batch_first=True)), (5, 6), 5 * 12 * (6 + 4 + 4 + 4)),
    ],
)
def test_by_hand(module: nn.Module, shape: tuple[int, ...], expected: int) -> None:
    assert macs(capture(module.eval(), shape)) == expected


def test_mobilenet_v2_as_published() -> None:
    graph = capture(mobilenet_v2(), (3, 224, 224))
    assert parameters(graph) == 3_504_872
    assert macs(graph) == 300_774_272
