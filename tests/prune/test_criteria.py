"""Criteria give one score per channel, as their papers define it."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import Refused, UsageError
from pipeline.models.graph import capture, named_tensors
from pipeline.prune import criteria
from pipeline.prune.engine import prune_graph
from pipeline.prune.evidence import Evidence, activations
from pipeline.prune.families import Family, Member, families
from pipeline.prune.gradients import curvature, gradients, squared_gradients
from pipeline.prune.stage import PruneConfig
from pipeline.prune.trace import Trace


def two_layers() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2))


def only_family(module: nn.Module, evidence: Evidence | None = None) -> Family:
    graph = capture(module, (3,))
    (family,) = families(Trace(graph), named_tensors(graph), 0, evidence)
    return family


def made(*rows: list[list[float]], **evidence: Any) -> Family:
    """A family of one tensor for each (width, n) matrix."""
    tensors = {f"w{n}": nn.Parameter(torch.tensor(matrix)) for n, matrix in enumerate(rows)}
    width = len(rows[0])
    members = tuple(Member(name, 0, torch.arange(width)[:, None]) for name in tensors)
    return Family("f", members, torch.arange(width), 0, tensors, Evidence(**evidence))


def named(*rows: list[list[float]]) -> dict[str, Tensor]:
    return {f"w{n}": torch.tensor(matrix) for n, matrix in enumerate(rows)}


def test_norms_sum_over_all_members() -> None:
    module = two_layers()
    first, second = module[0], module[2]
    rows = torch.cat([first.weight, first.bias[:, None], second.weight.T], 1).detach()
    family = only_family(module)
    torch.testing.assert_close(criteria.l1(family), rows.abs().sum(1))
    torch.testing.assert_close(criteria.l2(family), rows.norm(dim=1))


def test_taylor_is_weight_times_gradient() -> None:
    module = two_layers()
    x, y = torch.randn(8, 3), torch.randint(0, 2, (8,))
    batches = [(x[:4], y[:4]), (x[4:], y[4:])]
    loss = torch.nn.functional.cross_entropy
    found = gradients(capture(module, (3,)), batches, loss)
    for inputs, targets in batches:
        loss(module(inputs), targets).backward()
    torch.testing.assert_close(found["0.weight"], module[0].weight.grad)
    products = [(p * p.grad).detach().abs() for p in (module[0].weight, module[2].weight)]
    bias = (module[0].bias * module[0].bias.grad).detach().abs()
    expected = products[0].sum(1) + bias + products[1].sum(0)
    torch.testing.assert_close(
        criteria.taylor(only_family(module, Evidence(gradient=found))), expected
    )


def test_members_are_joined_as_group_says() -> None:
    family = made([[1.0], [2.0]], [[3.0], [-1.0]])
    for group, expected in (("sum", [4.0, 3.0]), ("mean", [2.0, 1.5]), ("max", [3.0, 2.0])):
        found = criteria.l1(dataclasses.replace(family, group=group))
        assert found.tolist() == expected


def test_taylor2_is_the_loss_of_a_quadratic_by_hand() -> None:
    """L = (w - 3)^2 at w = 1: g = -4, h = 2, and L(0) - L(1) = 5 = w^2 h / 2 - w g."""
    family = made([[1.0], [2.0]], gradient=named([[-4.0], [0.0]]), curvature=named([[2.0], [-1.0]]))
    assert criteria.taylor2(family).tolist() == [5.0, 2.0]
    assert criteria.hessian(family).tolist() == [1.0, 2.0]


def test_fisher_is_half_weight_squared_times_mean_squared_gradient() -> None:
    family = made([[2.0, 1.0], [1.0, 0.0]], squared=named([[0.5, 2.0], [3.0, 9.0]]))
    assert criteria.fisher(family).tolist() == [2.0, 1.5]


def test_squared_gradients_are_those_of_single_samples() -> None:
    module = two_layers()
    x, y = torch.randn(5, 3), torch.randint(0, 2, (5,))
    loss = torch.nn.functional.cross_entropy
    found = squared_gradients(capture(module, (3,)), [(x[:3], y[:3]), (x[3:], y[3:])], loss)
    expected = torch.zeros_like(module[0].weight)
    for n in range(5):
        module.zero_grad()
        loss(module(x[n : n + 1]), y[n : n + 1]).backward()
        expected += module[0].weight.grad.square() / 5
    torch.testing.assert_close(found["0.weight"], expected)


def test_curvature_is_exact_where_the_hessian_is_diagonal() -> None:
    """0.5 |W x|^2 with x = e_j: the second derivative by W_ij is x_j^2."""
    module = nn.Linear(3, 2, bias=False)
    x = torch.tensor([[2.0, 0, 0]])
    found = curvature(capture(module, (3,)), [(x, x)], lambda y, _: 0.5 * y.square().sum())
    assert found["weight"].tolist() == [[4.0, 0, 0], [4.0, 0, 0]]


def test_curvature_goes_through_attention() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.qkv = nn.Linear(4, 12)

        def forward(self, x: Tensor) -> Tensor:
            q, k, v = self.qkv(x).chunk(3, -1)
            return nn.functional.scaled_dot_product_attention(q, k, v)

    graph, x = capture(Attention(), (3, 4)), torch.randn(2, 3, 4)
    found = curvature(graph, [(x, x)], nn.functional.mse_loss)
    assert float(found["qkv.weight"].abs().sum()) > 0


def test_fpgm_is_least_near_the_median() -> None:
    family = made([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    torch.testing.assert_close(criteria.fpgm(family), torch.tensor([15.0, 10.0, 15.0]))


def test_lamp_by_hand() -> None:
    family = made([[1.0], [3.0], [2.0]])
    torch.testing.assert_close(criteria.lamp(family), torch.tensor([1 / 14, 1.0, 4 / 13]))


def test_bn_scale_is_gamma_and_says_where_there_is_none() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 5), nn.Linear(5, 2))
    with torch.no_grad():
        module[1].weight.copy_(torch.tensor([0.1, -0.4, 0.3, 0.2]))
    graph = capture(module, (3,))
    cfg = PruneConfig(criterion="bn-scale", round_to=1)
    pruned = prune_graph(graph, cfg)
    assert [family["kept"] for family in pruned.plan["families"]] == [[1, 2]]
    assert pruned.report["unscored"] == {"2.weight": "no batch norm scales its channels"}
    with pytest.raises(Refused, match="can judge no family"):
        prune_graph(capture(two_layers(), (3,)), cfg)


def test_activation_is_what_arrives_at_the_readers() -> None:
    module = two_layers()
    x = torch.randn(16, 3)
    family = only_family(module, Evidence(activation=activations(capture(module, (3,)), x)))
    with torch.no_grad():
        expected = module[0](x).relu().mean(0)
    torch.testing.assert_close(criteria.activation(family), expected)


def test_random_depends_on_the_seed_alone() -> None:
    graph = capture(two_layers(), (3,))
    kept = [
        prune_graph(graph, PruneConfig(criterion="random", round_to=1, seed=seed)).plan["families"]
        for seed in (1, 1, 2, 3)
    ]
    assert kept[0] == kept[1]
    assert kept[0] != kept[2] or kept[0] != kept[3]


def keep_the_first(family: Family) -> Tensor:
    return -torch.arange(family.width)


def by_gradient(family: Family) -> Tensor:
    return family.join([g.abs().sum(1) for g in family.gradients()])


def wrong_shape(family: Family) -> Tensor:
    return torch.zeros(family.width + 1)


def not_finite(family: Family) -> Tensor:
    return torch.full((family.width,), torch.nan)


def test_your_own() -> None:
    graph = capture(two_layers(), (3,))
    cfg = PruneConfig(criterion=f"{__name__}:keep_the_first", round_to=1)
    assert prune_graph(graph, cfg).plan["families"][0]["kept"] == [0, 1, 2]


def test_your_own_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{__name__}:by_gradient"
    with pytest.raises(UsageError, match="attribute needs"):
        prune_graph(capture(two_layers(), (3,)), PruneConfig(criterion=name, round_to=1))
    monkeypatch.setattr(by_gradient, "needs", ("gradient",), raising=False)
    assert criteria.needs(name) == ("gradient",)


@pytest.mark.parametrize(("name", "problem"), [("wrong_shape", "7"), ("not_finite", "not finite")])
def test_a_wrong_criterion_is_the_users_error(name: str, problem: str) -> None:
    graph = capture(two_layers(), (3,))
    with pytest.raises(UsageError, match=problem):
        prune_graph(graph, PruneConfig(criterion=f"{__name__}:{name}", round_to=1))
