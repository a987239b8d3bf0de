"""Gates: squeeze-excite and other broadcast products."""

from __future__ import annotations

from torch import Tensor, nn

from tests.prune.checks import check
from tests.prune.nets import Net, conv, head, unit


def squeeze_excite() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x)
        gate = m.up(m.down(y.mean((2, 3), keepdim=True)).relu()).sigmoid()
        return m.fc(m.b(y * gate).mean((2, 3)))

    layers = {"down": conv(16, 8, 1), "up": conv(8, 16, 1), "b": unit(16, 16), "fc": head(16)}
    return Net(forward, a=unit(3, 16), **layers)


def broadcast_multiply() -> nn.Module:
    """A one-channel map over all channels, and one value a channel over the map."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x)
        y = y * m.map(y).sigmoid() * m.gate(y.mean((2, 3)))[:, :, None, None]
        return m.fc(m.b(y).mean((2, 3)))

    layers = {"map": conv(16, 1, 1), "gate": nn.Linear(16, 16), "b": unit(16, 8), "fc": head(8)}
    return Net(forward, a=unit(3, 16), **layers)


def test_squeeze_excite() -> None:
    check(
        squeeze_excite(),
        {"a.0.weight:0": 8, "down.weight:0": 4, "up.weight:0": 8, "b.0.weight:1": 8},
    )


def test_broadcast_multiply() -> None:
    check(
        broadcast_multiply(),
        {"a.0.weight:0": 8, "map.weight:0": 1, "gate.weight:0": 8, "b.0.weight:1": 8},
    )
