"""Attention: the widths of heads, and products that forbid it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from tests.prune.checks import UNPROVEN, check, reasons
from tests.prune.nets import Net, head, unit


def attention() -> nn.Module:
    """Three projections in one, two heads, scaled dot products."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).transpose(1, 2)
        n, t, _ = y.shape
        q, k, v = m.qkv(y).reshape(n, t, 3, 2, 8).permute(2, 0, 3, 1, 4).unbind(0)
        y = functional.scaled_dot_product_attention(q, k, v)
        return m.fc(m.out(y.transpose(1, 2).reshape(n, t, 16)).mean(1))

    layers = {"qkv": nn.Linear(16, 48), "out": nn.Linear(16, 8), "fc": head(8)}
    return Net(forward, a=unit(3, 16), **layers)


def linear_attention() -> nn.Module:
    """`elu + 1` is not zero at zero: the contracted channels contribute and must stay."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).transpose(1, 2)
        q, k, v = (functional.elu(m.q(y)) + 1, functional.elu(m.k(y)) + 1, m.v(y))
        return m.fc((q @ (k.transpose(1, 2) @ v)).mean(1))

    layers = {"q": nn.Linear(16, 8), "k": nn.Linear(16, 8), "v": nn.Linear(16, 12), "fc": head(12)}
    return Net(forward, a=unit(3, 16), **layers)


def kernel_attention() -> nn.Module:
    """The same kernel with the scores written out: T x T sums over channels that are not zero."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).transpose(1, 2)
        scores = (functional.elu(m.q(y)) + 1) @ (functional.elu(m.k(y)) + 1).transpose(1, 2)
        return m.fc((scores @ m.v(y)).mean(1))

    layers = {"q": nn.Linear(16, 8), "k": nn.Linear(16, 8), "v": nn.Linear(16, 12), "fc": head(12)}
    return Net(forward, a=unit(3, 16), **layers)


def test_kernel_attention_needs_consent() -> None:
    report = check(kernel_attention(), {"q.weight:0": 8, "v.weight:0": 6})
    assert "matmul: channels on these axes cannot be removed from a product" in reasons(report)
    widths = {"q.weight:0": 4, "k.weight:0": 4, "v.weight:0": 6}
    report = check(kernel_attention(), widths, cfg=UNPROVEN, independent=False)
    assert report["certificate"]["uncertified"] == ["matmul (matmul)"]


def test_attention() -> None:
    check(attention(), {"qkv.weight:0": 24, "out.weight:1": 8})


def test_linear_attention() -> None:
    report = check(
        linear_attention(), {"a.0.weight:0": 8, "q.weight:0": 8, "k.weight:0": 8, "v.weight:0": 6}
    )
    assert "matmul: makes a matrix with channels on both axes: one of them stays" in reasons(report)
