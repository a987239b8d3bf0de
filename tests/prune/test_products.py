"""Products with stored matrices, in all the ways that torch writes them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.prune.checks import check, reasons
from tests.prune.nets import Net, head, unit


class With(nn.Module):
    """Pooled features (n, 16), tensors of the module's own, a function of both."""

    def __init__(self, compute: Callable[..., Tensor], out: int = 12, **sizes: tuple[int, ...]):
        super().__init__()
        self.a, self.fc, self.compute = unit(3, 16), head(out), compute
        for name, size in sizes.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(size)))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.compute(self, self.a(x).mean((2, 3))).relu())


HALVED = {"a.0.weight:0": 8, "w:0": 8, "w:1": 6, "fc.weight:1": 6}


@pytest.mark.parametrize(
    "compute",
    [
        lambda m, x: torch.addmm(m.b, x, m.w),
        lambda m, x: torch.addmm(x.sum(1, keepdim=True), x, m.w, beta=0.5, alpha=2),
        lambda m, x: torch.tensordot(x, m.w, dims=([1], [0])) + m.b,
        lambda m, x: torch.einsum("...c,cd->...d", x, m.w) + m.b,
        lambda m, x: torch.einsum("ab,bc", x, m.w) + m.b,
    ],
)
def test_a_matrix_of_the_module(compute: Callable[..., Tensor]) -> None:
    module = With(compute, w=(16, 12), b=(12,))
    check(module, HALVED)


def test_a_matrix_from_the_left() -> None:
    """Also one that is computed from a parameter."""

    def compute(m: nn.Module, x: Tensor) -> Tensor:
        return (m.v @ (m.w.t() @ x.unsqueeze(-1)).relu()).squeeze(-1)  # type: ignore[operator]

    module = With(compute, 10, w=(16, 12), v=(10, 12))
    check(module, {"a.0.weight:0": 8, "v:0": 5, "v:1": 6, "fc.weight:1": 5}, exact=1e-5)


def test_a_vector_of_the_module() -> None:
    module = With(lambda m, x: torch.stack([x @ m.v, torch.mv(x, m.v), x.sum(1)], 1), 3, v=(16,))
    check(module, {"a.0.weight:0": 8, "v:0": 8})


def test_tensordot_over_two_axes() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.w, self.fc = unit(3, 16), nn.Parameter(torch.zeros(8, 16, 12)), head(12)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(torch.tensordot(self.a(x).mean(3), self.w, ([2, 1], [0, 1])).relu())

    check(Both(), {"w:0": 8, "w:1": 8, "w:2": 6})


def test_bilinear() -> None:
    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(m.both(m.a(x).mean((2, 3)), m.b(x).mean((2, 3))).relu())

    layers = {"b": unit(3, 8), "both": nn.Bilinear(16, 8, 12), "fc": head(12)}
    widths = {"both.weight:0": 6, "both.weight:1": 8, "both.weight:2": 4, "both.bias:0": 6}
    check(Net(forward, a=unit(3, 16), **layers), widths)


def test_scores_with_a_bias() -> None:
    """`baddbmm`: the widths of queries and keys go, the scores stay."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).transpose(1, 2)
        scores = torch.baddbmm(m.at(y), m.q(y), m.k(y).transpose(1, 2), alpha=0.3)
        return m.fc(torch.bmm(scores.softmax(-1), m.v(y)).mean(1))

    layers = {"q": nn.Linear(16, 8), "k": nn.Linear(16, 8), "v": nn.Linear(16, 12)}
    module = Net(forward, a=unit(3, 16), **layers, at=nn.Linear(16, 64), fc=head(12))
    check(module, {"q.weight:0": 4, "k.weight:0": 4, "v.weight:0": 6, "at.weight:0": 64})


def test_a_sum_of_products() -> None:
    """`addbmm` over heads: the widths of the heads go, and what the sum makes."""

    def heads(m: nn.Module, x: Tensor) -> Tensor:
        y = m.q(x).view(-1, 4, 8).transpose(0, 1)  # type: ignore[operator]
        return torch.addbmm(m.s(x), y, m.w, alpha=0.5)  # type: ignore[operator]

    module = With(heads, w=(4, 8, 12))
    module.q, module.s = nn.Linear(16, 32), nn.Linear(16, 12)
    check(module, {"q.weight:0": 16, "w:0": 4, "w:1": 4, "w:2": 6, "s.weight:0": 6})


def test_a_sum_of_products_of_activations() -> None:
    """Over what is not zero in a channel without weights, nothing goes."""

    def gram(m: nn.Module, x: Tensor) -> Tensor:
        first, second = (layer(x).unsqueeze(0) for layer in (m.q, m.k))  # type: ignore[operator]
        scores = torch.addbmm(x.new_zeros(()), first, second.transpose(1, 2))
        return scores.sum(1, keepdim=True) * m.s(x)  # type: ignore[operator]

    for act, width in ((nn.ReLU, 8), (nn.Sigmoid, 16)):
        module = With(gram)
        module.q, module.k = (nn.Sequential(nn.Linear(16, 16), act()) for _ in range(2))
        module.s = nn.Linear(16, 12)
        check(module, {"q.0.weight:0": width, "k.0.weight:0": width, "s.weight:0": 6})


def test_heads_as_an_axis_of_the_weights() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.fc = unit(3, 16), head(16)
            for name in "qkvo":
                shape = (2, 8, 16) if name == "o" else (16, 2, 8)
                self.register_parameter(name, nn.Parameter(torch.zeros(shape)))

        def forward(self, x: Tensor) -> Tensor:
            y = self.a(x).flatten(2).transpose(1, 2)
            q, k, v = (torch.einsum("ntc,chd->nhtd", y, w) for w in (self.q, self.k, self.v))
            scores = torch.einsum("nhtd,nhsd->nhts", q, k).softmax(-1)
            y = torch.einsum("nhts,nhsd->nthd", scores, v)
            return self.fc(torch.einsum("nthd,hdc->ntc", y, self.o).mean(1))

    check(Heads(), {"q:2": 4, "k:2": 4, "v:2": 4, "o:1": 4, "o:2": 8, "q:0": 8})


def test_rows_of_a_sigmoid_are_not_zero() -> None:
    """What passes through a product is zero only where it was."""

    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.a(x).flatten(2).sigmoid()
        y = y @ m.t(y.transpose(1, 2)).transpose(1, 2).softmax(1).transpose(1, 2)
        return m.fc(m.b(y.transpose(1, 2) @ y).mean(1))

    layers = {"t": nn.Linear(16, 64), "b": nn.Linear(64, 12), "fc": head(12)}
    report = check(Net(forward, a=unit(3, 16), **layers), {"a.0.weight:0": 16})
    assert any("matmul" in reason for reason in reasons(report))


def test_bags_of_embeddings() -> None:
    class Bag(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.e, self.fc = unit(3, 16), nn.EmbeddingBag(9, 16), head(16)

        def forward(self, x: Tensor) -> Tensor:
            y = self.a(x).mean((2, 3))
            return self.fc(y * self.e((x[:, :, 0, 0].sigmoid() * 8).long()))

    check(Bag(), {"e.weight:1": 8, "a.0.weight:0": 8})


def test_distances_to_prototypes() -> None:
    """Over the channels that stay, whether torch subtracts or we do."""

    def distances(m: nn.Module, x: Tensor) -> Tensor:
        y, w = m.l(x), m.w  # type: ignore[operator]
        near = torch.nn.functional.cosine_similarity(y.unsqueeze(1), w, dim=-1)
        return torch.cdist(y, w) + (y.unsqueeze(1) - w).square().sum(-1) + near  # type: ignore[operator]

    module = With(distances, 5, w=(5, 12))
    module.l = nn.Linear(16, 12)
    check(module, {"w:1": 6, "l.weight:0": 6, "w:0": 5}, independent=False)
