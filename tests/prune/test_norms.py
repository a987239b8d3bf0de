"""Normalisation and reduction over channels: over those that stay, and proven so."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.prune.checks import check, reasons
from tests.prune.nets import Net, head, unit


def layer_norm() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        y = m.n(m.a(x).permute(0, 2, 3, 1))
        return m.fc((y + m.down(functional.gelu(m.up(y)))).mean((1, 2)))

    layers = {"up": nn.Linear(16, 32), "down": nn.Linear(32, 16), "fc": head(16)}
    return Net(forward, a=unit(3, 16), n=nn.LayerNorm(16), **layers)


def rms_norm() -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(m.up(m.n(m.a(x).permute(0, 2, 3, 1))).mean((1, 2)))

    return Net(forward, a=unit(3, 16), n=nn.RMSNorm(16), up=nn.Linear(16, 8), fc=head(8))


def with_norm(norm: nn.Module) -> nn.Module:
    layers = {"b": unit(16, 24), "c": unit(24, 8), "fc": head(8)}
    return Net(
        lambda m, x: m.fc(m.c(m.b(m.n(m.a(x)))).mean((2, 3))), a=unit(3, 16), n=norm, **layers
    )


def over_channels(compute: object) -> nn.Module:
    def forward(m: Net, x: Tensor) -> Tensor:
        return m.fc(m.b(compute(m.a(x))).mean((2, 3)))  # type: ignore[operator]

    return Net(forward, a=unit(3, 16), b=unit(16, 8), fc=head(8))


def test_layer_norm() -> None:
    report = check(layer_norm(), {"a.0.weight:0": 8, "up.weight:0": 16, "n.weight:0": 8})
    assert report["certificate"]["kind"] == "masked-normalisation"


def test_rms_norm() -> None:
    check(rms_norm(), {"a.0.weight:0": 8, "n.weight:0": 8})


def test_layer_norm_over_space_and_channels() -> None:
    module = over_channels(lambda x: functional.layer_norm(x, (x.shape[1], 8, 8)))
    check(module, {"a.0.weight:0": 8}, independent=False)


def test_group_norm_loses_the_same_places_of_each_group() -> None:
    report = check(with_norm(nn.GroupNorm(4, 16)), {"a.0.weight:0": 8, "b.0.weight:0": 12})
    kept = next(f for f in report["families"] if f["name"].startswith("a."))
    assert (kept["before"], kept["after"]) == (4, 2)


def test_group_norm_with_a_group_for_each_channel() -> None:
    report = check(with_norm(nn.GroupNorm(16, 16)), {"a.0.weight:0": 8})
    assert report["certificate"]["kind"] == "mask-equivalence"


def test_instance_norm() -> None:
    for affine in (False, True):
        report = check(with_norm(nn.InstanceNorm2d(16, affine=affine)), {"a.0.weight:0": 8})
        assert report["certificate"]["kind"] == "mask-equivalence"


def test_softmax_over_channels() -> None:
    check(over_channels(lambda x: x.softmax(1)), {"a.0.weight:0": 8})


def test_reductions_over_channels() -> None:
    def gate(x: Tensor) -> Tensor:
        both = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1)
        return x * both.sum(1, keepdim=True).sigmoid()

    check(over_channels(gate), {"a.0.weight:0": 8})
    check(over_channels(functional.normalize), {"a.0.weight:0": 8}, independent=False)


def test_the_largest_channels_number_means_something() -> None:
    report = check(
        over_channels(lambda x: x * x.argmax(1, keepdim=True)),
        {"a.0.weight:0": 16, "b.0.weight:0": 4},
    )
    assert "argmax: gives the number of a channel" in reasons(report)


def test_gated_linear_unit() -> None:
    layers = {"a": unit(3, 32), "b": unit(16, 8), "fc": head(8)}
    module = Net(lambda m, x: m.fc(m.b(functional.glu(m.a(x), 1)).mean((2, 3))), **layers)
    check(module, {"a.0.weight:0": 16, "b.0.weight:1": 8})


class EvoNorm(nn.Module):
    """EvoNorm-S0 (Liu et al., 2020): a swish over the deviation of groups of channels."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight, self.bias, self.v = (nn.Parameter(torch.ones(width)) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        parts = x.reshape(x.shape[0], self.groups, -1, *x.shape[2:])
        deviation = (parts.var((2, 3, 4), unbiased=False, keepdim=True) + 1e-5).sqrt()
        spread = deviation.expand(parts.shape).reshape(x.shape)
        weight, bias, v = (t.view(1, -1, 1, 1) for t in (self.weight, self.bias, self.v))
        return x * (x * v).sigmoid() / spread * weight + bias


def test_deviations_of_groups_are_given_back_to_their_channels() -> None:
    """Few wide groups lose the same places each; of many narrow ones, whole groups go."""
    for groups, family in ((2, 8), (8, 8)):
        report = check(with_norm(EvoNorm(16, groups)), {"a.0.weight:0": 8, "n.v:0": 8})
        cut = next(f for f in report["families"] if f["name"].startswith("a."))
        assert cut["before"] == family
        assert {row["op"] for row in report["frozen"]} == {"output"}
