"""Blocks of known networks that other pruners get wrong or refuse, written out small."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.prune.checks import check, reasons
from tests.prune.nets import Net, conv, head, unit


def chain(block: object, inputs: int, outputs: int, **layers: nn.Module) -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(block(m, m.a(x)).mean((2, 3)))  # type: ignore[operator]

    return Net(forward, a=unit(3, inputs), fc=head(outputs), **layers)


def tokens(x: Tensor) -> Tensor:
    return x.flatten(2).transpose(1, 2)


def test_c2f() -> None:
    def block(m: Net, x: Tensor) -> Tensor:
        parts = list(m.first(x).chunk(2, 1))
        for stage in (m.s, m.t):
            parts.append(parts[-1] + stage(parts[-1]))
        return m.last(torch.cat(parts, 1))

    layers = {"first": conv(16, 16), "s": unit(8, 8), "t": unit(8, 8), "last": conv(32, 16)}
    check(chain(block, 16, 16, **layers), {"s.0.weight:0": 4, "last.weight:1": 16})


def test_res2net() -> None:
    def block(m: Net, x: Tensor) -> Tensor:
        a, b, c, d = m.first(x).split(4, 1)
        b = m.s(b)
        c = m.t(b + c)
        return m.last(torch.cat([a, b, c, functional.avg_pool2d(d, 3, 1, 1)], 1)) + x

    layers = {"first": conv(16, 16), "s": unit(4, 4), "t": unit(4, 4), "last": conv(16, 16)}
    check(chain(block, 16, 16, **layers), {"last.weight:1": 8})


def test_cross_stage() -> None:
    def block(m: Net, x: Tensor) -> Tensor:
        a, b = m.first(x).chunk(2, 1)
        return m.last(torch.cat([a, m.s(b) + b], 1))

    layers = {"first": unit(16, 32), "s": unit(16, 16), "last": unit(32, 16)}
    check(chain(block, 16, 16, **layers), {"last.0.weight:1": 16})


def test_selective_kernels() -> None:
    def block(m: Net, x: Tensor) -> Tensor:
        both = torch.stack([m.s(x), m.t(x)], 1)
        gate = m.down(both.sum(1).mean((2, 3), keepdim=True)).relu()
        gate = m.up(gate).view(x.shape[0], 2, 16, 1, 1).softmax(1)
        return (both * gate).sum(1)

    layers = {"s": unit(8, 16), "t": unit(8, 16), "down": conv(16, 8, 1), "up": conv(8, 32, 1)}
    check(chain(block, 8, 16, **layers), {"up.weight:0": 16, "down.weight:0": 4})


def test_mixed_kernels() -> None:
    def block(m: Net, x: Tensor) -> Tensor:
        a, b = x.split([8, 8], 1)
        return m.last(torch.cat([m.s(a), m.t(b)], 1))

    layers = {"s": conv(8, 8, 3, 8), "t": conv(8, 8, 5, 8), "last": conv(16, 16)}
    check(chain(block, 16, 16, **layers), {"last.weight:1": 8})


def test_broadcast_multiply() -> None:
    check(chain(lambda m, x: m.s(x) * m.gate(x).sigmoid(), 8, 16, s=unit(8, 16), gate=conv(8, 1)))


def test_layer_scale() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gamma = nn.Parameter(torch.full((16, 1, 1), 1e-6))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.gamma

    check(
        chain(lambda m, x: x + m.g(m.s(x)), 16, 16, g=Scale(), s=unit(16, 16)),
        {"g.gamma:0": 8},
    )


def test_reparametrised_branches() -> None:
    """FastViT, MobileOne: parallel convolutions and a bare norm, summed."""
    layers = {"s": conv(16, 16), "t": conv(16, 16, 1), "n": nn.BatchNorm2d(16)}
    check(chain(lambda m, x: (m.s(x) + m.t(x) + m.n(x)).relu(), 16, 16, **layers))


def test_windows() -> None:
    """Swin: attention inside windows that views and permutations cut out, with a biased score."""

    class Bias(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Parameter(torch.zeros(49, 2))
            self.register_buffer("index", torch.arange(16 * 16) % 49)

        def forward(self, scores: Tensor) -> Tensor:
            bias = self.table[self.index].view(16, 16, 2).permute(2, 0, 1)
            return scores + bias.unsqueeze(0)

    def block(m: Net, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        y = m.norm(x.permute(0, 2, 3, 1))
        y = y.roll((-2, -2), (1, 2)).view(n, h // 4, 4, w // 4, 4, c).transpose(2, 3)
        y = y.reshape(-1, 16, c)
        q, k, v = m.qkv(y).reshape(y.shape[0], 16, 3, 2, 8).permute(2, 0, 3, 1, 4)
        y = m.bias(q @ k.transpose(-2, -1) * 8**-0.5).softmax(-1) @ v
        y = m.out(y.transpose(1, 2).reshape(-1, 16, 16))
        y = y.view(n, h // 4, w // 4, 4, 4, c).transpose(2, 3).reshape(n, h, w, c)
        return x + y.permute(0, 3, 1, 2)

    layers = {"norm": nn.LayerNorm(16), "qkv": nn.Linear(16, 48), "out": nn.Linear(16, 16)}
    check(chain(block, 16, 16, bias=Bias(), **layers), {"qkv.weight:0": 24, "out.weight:0": 8})


def test_three_projections_of_different_widths() -> None:
    """LeViT: keys narrower than values, and an activation after the product."""

    def block(m: Net, x: Tensor) -> Tensor:
        y = tokens(x)
        n, t, _ = y.shape
        q, k = (f(y).view(n, t, 2, 4).transpose(1, 2) for f in (m.q, m.k))
        v = m.v(y).view(n, t, 2, 8).transpose(1, 2)
        y = (q @ k.transpose(-2, -1) * 0.5).softmax(-1) @ v
        y = m.out(functional.hardswish(y.transpose(1, 2).reshape(n, t, 16)))
        return y.transpose(1, 2).reshape(n, 16, 8, 8)

    layers = {"q": nn.Linear(16, 8), "k": nn.Linear(16, 8), "v": nn.Linear(16, 16)}
    check(
        chain(block, 16, 16, out=nn.Linear(16, 16), **layers),
        {"q.weight:0": 4, "v.weight:0": 8, "out.weight:0": 8},
    )


def test_patches_as_tokens() -> None:
    """MobileViT: an image folded into patches, attended, and folded back."""

    def block(m: Net, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        y = x.reshape(n * c * 4, 2, 4, 2).transpose(1, 2).reshape(n, c, 16, 4)
        y = y.transpose(1, 3).reshape(n * 4, 16, c)
        q, k, v = m.qkv(m.norm(y)).chunk(3, -1)
        y = y + m.out(functional.scaled_dot_product_attention(q, k, v))
        y = y.view(n, 4, 16, c).transpose(1, 3).reshape(n * c * 4, 4, 2, 2)
        return y.transpose(1, 2).reshape(n, c, h, w)

    layers = {"norm": nn.LayerNorm(16), "qkv": nn.Linear(16, 48), "out": nn.Linear(16, 16)}
    report = check(chain(block, 16, 16, **layers), {"qkv.weight:0": 24, "a.0.weight:0": 16})
    assert "reshape: folds the channels into the batch" in reasons(report)


def test_every_second_channel() -> None:
    """Rows of neighbours go together, so that the others stay evenly spaced."""
    layers = {"s": conv(8, 16), "t": conv(8, 16)}
    check(chain(lambda m, x: m.s(x[:, ::2]) * m.t(x[:, 1::2]), 16, 16, **layers), {"s.weight:1": 4})


def test_constant_places() -> None:
    module = chain(lambda m, x: m.s(x[:, :, torch.tensor([0, 3, 5])]), 16, 16, s=conv(16, 16))
    check(module, {"s.weight:1": 8})


def test_transposed_groups() -> None:
    for groups in (2, 16):
        layer = nn.ConvTranspose2d(16, 16, 2, 2, groups=groups)
        check(chain(lambda m, x: m.s(m.up(x)), 16, 8, up=layer, s=conv(16, 8)), {"s.weight:1": 8})
