"""Constants along the channels are cut with them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.prune.checks import check
from tests.prune.nets import Net, conv, head


def prelu_and_scale() -> nn.Module:
    """Per-channel constants: slopes, a layer scale, a buffer."""

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.fc = conv(3, 16), conv(16, 16), head(16)
            self.slopes = nn.PReLU(16)
            self.gamma = nn.Parameter(1e-6 * torch.ones(16, 1, 1))
            self.register_buffer("shift", torch.linspace(0, 1, 16).view(16, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            y = self.slopes(self.a(x))
            return self.fc((y + self.gamma * self.b(y) + self.shift).mean((2, 3)))

    return Scaled()


def test_prelu_and_scale() -> None:
    check(prelu_and_scale(), {"a.weight:0": 8, "slopes.weight:0": 8, "gamma:0": 8, "shift:0": 8})


def test_positions_of_another_resolution() -> None:
    """Which axis of theirs holds channels is known only where they meet an activation."""

    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.fc = conv(3, 16), nn.Linear(16, 24), head(24)
            self.positions = nn.Parameter(torch.zeros(1, 1 + 36, 16))

        def forward(self, x: Tensor) -> Tensor:
            first, grid = self.positions[:, :1], self.positions[:, 1:]
            grid = grid.reshape(1, 6, 6, 16).permute(0, 3, 1, 2)
            grid = functional.interpolate(grid, size=(8, 8), mode="bilinear")
            y = torch.cat([first.expand(x.shape[0], -1, -1), self.a(x).flatten(2).mT], 1)
            y = y + torch.cat([first, grid.permute(0, 2, 3, 1).reshape(1, 64, 16)], 1)
            return self.fc(self.b(y).relu().mean(1))

    check(Positions(), {"positions:2": 8, "positions:1": 37, "a.weight:0": 8, "b.weight:0": 12})


def test_rotary_positions() -> None:
    class Rotary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.q, self.k, self.fc = (
                conv(3, 16),
                *(nn.Linear(16, 16) for _ in "qk"),
                head(16),
            )
            self.register_buffer("table", torch.zeros(64, 16))

        def turned(self, x: Tensor) -> Tensor:
            sine, cosine = self.table.chunk(2, -1)
            other = torch.stack([-x[..., 1::2], x[..., ::2]], -1).reshape(x.shape)
            return (x * cosine + other * sine).type_as(x)

        def forward(self, x: Tensor) -> Tensor:
            y = self.a(x).flatten(2).mT
            q, k = (
                self.turned(f(y).unflatten(-1, (2, 8)).transpose(1, 2)) for f in (self.q, self.k)
            )
            v = y.unflatten(-1, (2, 8)).transpose(1, 2)
            y = functional.scaled_dot_product_attention(q, k, v)
            return self.fc(y.transpose(1, 2).flatten(2).mean(1))

    check(Rotary(), {"q.weight:0": 8, "k.weight:0": 8, "table:1": 8, "table:0": 64})


def test_a_number_that_is_read_off_a_buffer() -> None:
    """As the strides of a detector are, for the grid that its boxes lie on."""

    class Strides(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.fc = conv(3, 16), conv(16, 24), head(24)
            self.register_buffer("strides", torch.tensor([8.0, 16.0]))

        def forward(self, x: Tensor) -> Tensor:
            y = self.b(self.a(x).relu()).mean((2, 3))
            scale: float = self.strides[1].item()  # type: ignore[assignment]
            return self.fc(y) * torch.full((5,), scale) + scale

    check(Strides(), {"a.weight:0": 8, "b.weight:0": 12})


def waves(places: int, width: int) -> Tensor:
    """Sines and cosines of positions, (places, width), computed anew in each forward()."""
    steps = torch.arange(places)[:, None] / 1e4 ** (torch.arange(width // 2) / (width // 2))
    return torch.cat([steps.sin(), steps.cos()], 1)


def test_positions_that_forward_computes() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).mT + waves(64, 16)
        return m.fc(m.b(y).relu().mean(1))

    module = Net(forward, a=conv(3, 16), b=nn.Linear(16, 24), fc=head(24))
    check(module, {"a.weight:0": 8, "table_0:1": 8, "b.weight:0": 12}, exact=1e-6)


def test_rotations_that_forward_computes() -> None:
    """The angles of a pair of channels, which go together, from a buffer of frequencies."""

    class Rotary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.q, self.k = conv(3, 16), nn.Linear(16, 16), nn.Linear(16, 16)
            self.fc = head(16)
            self.register_buffer("frequencies", torch.zeros(4))

        def turned(self, x: Tensor) -> Tensor:
            angles = torch.arange(64).float()[:, None] @ self.frequencies[None]
            angles = torch.cat([angles, angles], -1)
            first, second = x.chunk(2, -1)
            return x * angles.cos() + torch.cat([-second, first], -1) * angles.sin()

        def forward(self, x: Tensor) -> Tensor:
            y = self.a(x).flatten(2).mT
            q, k, v = (
                f(y).unflatten(-1, (2, 8)).transpose(1, 2) for f in (self.q, self.k, nn.Identity())
            )
            y = functional.scaled_dot_product_attention(self.turned(q), self.turned(k), v)
            return self.fc(y.transpose(1, 2).flatten(2).mean(1))

    check(Rotary(), {"q.weight:0": 8, "k.weight:0": 8, "table_0:1": 4}, exact=1e-6)


def test_division_by_a_constant_of_each_channel() -> None:
    """Where channels went, the reference must not divide by zero."""

    class Divided(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.fc = conv(3, 16), conv(16, 24), head(24)
            self.register_buffer("deviation", torch.ones(16, 1, 1))
            self.register_buffer("precision", torch.ones(24))

        def forward(self, x: Tensor) -> Tensor:
            y = self.b(self.a(x) / self.deviation).relu().mean((2, 3))
            return self.fc(y * self.precision.rsqrt())

    check(Divided(), {"a.weight:0": 8, "deviation:0": 8, "precision:0": 12})
