"""Attention: the widths of heads, and products that forbid it."""

from __future__ import annotations

import torch
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
    assert "matmul: sums over channels that need not be zero" in reasons(report)


def test_torchs_own_module() -> None:
    """It folds the heads into the batch: their widths may go, the heads stay."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).transpose(1, 2)
        return m.fc(m.n(y + m.mha(y, y, y, need_weights=False)[0]).mean(1))

    mha = nn.MultiheadAttention(16, 2, batch_first=True)
    module = Net(forward, a=unit(3, 16), mha=mha, n=nn.LayerNorm(16), fc=head(16))
    check(module, {"mha.in_proj_weight:0": 24, "mha.out_proj.weight:1": 8, "n.weight:0": 8})


def test_attention_to_another_sequence() -> None:
    """Its projections are parts of one weight, and the plan says which."""

    class Queries(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.fc = unit(3, 16), head(16)
            self.mha = nn.MultiheadAttention(16, 2, batch_first=True)
            self.q = nn.Parameter(torch.zeros(5, 16))

        def forward(self, x: Tensor) -> Tensor:
            y = self.a(x).flatten(2).transpose(1, 2)
            q = self.q.expand(y.shape[0], 5, 16)
            return self.fc((q + self.mha(q, y, y)[0]).mean(1))

    check(Queries(), {"mha.out_proj.weight:1": 8, "fc.weight:1": 8, "a.0.weight:0": 8})


def test_einsum() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).transpose(1, 2)
        q, k, v = (f(y).unflatten(-1, (2, 8)) for f in (m.q, m.k, m.v))
        scores = torch.einsum("bihd,bjhd->bhij", q, k).softmax(-1)
        return m.fc(torch.einsum("bhij,bjhd->bihd", scores, v).flatten(2).mean(1))

    layers = {name: nn.Linear(16, 16) for name in "qkv"}
    module = Net(forward, a=unit(3, 16), fc=head(16), **layers)
    check(module, {"q.weight:0": 8, "k.weight:0": 8, "v.weight:0": 8, "a.0.weight:0": 8})


def test_einsum_with_a_weight() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.w, self.fc = unit(3, 16), nn.Parameter(torch.zeros(16, 12)), head(12)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(torch.einsum("nchw,cd->ndhw", self.a(x), self.w).relu().mean((2, 3)))

    check(Mixed(), {"w:0": 8, "w:1": 6, "fc.weight:1": 6})


def test_linear_attention_by_einsum_loses_the_width_of_its_values() -> None:
    """Keys are not zero at zero (`elu + 1`) and stay; what is free is the other axis."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).transpose(1, 2)
        q, k, v = (functional.elu(m.q(y)) + 1, functional.elu(m.k(y)) + 1, m.v(y))
        matrix = torch.einsum("nsd,nsv->ndv", k, v)
        return m.fc(torch.einsum("nld,ndv->nlv", q, matrix).mean(1))

    layers = {"q": nn.Linear(16, 8), "k": nn.Linear(16, 8), "v": nn.Linear(16, 12), "fc": head(12)}
    module = Net(forward, a=unit(3, 16), **layers)
    check(module, {"a.0.weight:0": 8, "q.weight:0": 8, "v.weight:0": 6, "fc.weight:1": 6})


def test_einsum_that_sums_over_what_is_not_zero() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).sigmoid().flatten(2)
        return m.fc(m.b(torch.einsum("nci,ncj->nij", y, y)).mean(1))

    module = Net(forward, a=unit(3, 16), b=nn.Linear(64, 12), fc=head(12))
    report = check(module, {"a.0.weight:0": 16, "b.weight:0": 6})
    assert "einsum: sums over channels that need not be zero" in reasons(report)


def test_heads_that_talk() -> None:
    """A product that is repeated along heads: the heads stay, the widths go."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).transpose(1, 2)
        q, k, v = m.qkv(y).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4).unbind(0)
        scores = m.talk((q @ k.transpose(-2, -1)).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return m.fc((scores.softmax(-1) @ v).transpose(1, 2).flatten(2).mean(1))

    layers = {"qkv": nn.Linear(16, 48), "talk": nn.Linear(2, 2), "fc": head(16)}
    report = check(Net(forward, a=unit(3, 16), **layers), {"qkv.weight:0": 24, "fc.weight:1": 8})
    assert "matmul: repeats the product along its channels" in reasons(report)


def test_attention_over_projections_that_add_first() -> None:
    """GPT-2's projections: `addmm` of a bias, the tokens of all samples and a weight (in, out)."""

    class Projected(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.fc = unit(3, 16), head(16)
            self.w, self.b = nn.Parameter(torch.zeros(16, 48)), nn.Parameter(torch.zeros(48))

        def forward(self, x: Tensor) -> Tensor:
            y = self.a(x).flatten(2).transpose(1, 2)
            y = torch.addmm(self.b, y.reshape(-1, 16), self.w).view(-1, 64, 48)
            q, k, v = (part.unflatten(-1, (2, 8)).transpose(1, 2) for part in y.chunk(3, -1))
            y = functional.scaled_dot_product_attention(q, k, v)
            return self.fc(y.transpose(1, 2).flatten(2).mean(1))

    check(Projected(), {"w:1": 24, "w:0": 8, "fc.weight:1": 8})
