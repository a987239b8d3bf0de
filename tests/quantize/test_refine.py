"""Each step before quantization keeps what it must keep, and lowers the error it is for."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from pipeline.models.graph import capture, named_tensors
from pipeline.prune.checkpoint import load, save
from pipeline.quantize.bias import correct_bias
from pipeline.quantize.equalize import equalize, pairs
from pipeline.quantize.homes import homes, on_grid
from pipeline.quantize.imitate import Imitation, imitation_db, rounded_weights
from pipeline.quantize.refine import RefineConfig
from pipeline.quantize.refine import equalize as equalize_stage
from pipeline.quantize.rounding import adapted, round_weights
from pipeline.quantize.settling import fold_norms
from tests.convert.chains import DIGEST, Noise, workdir

torch.set_num_threads(1)
SHAPE = (3, 12, 12)


class Skewed(nn.Module):
    """Separable blocks whose channels differ a thousandfold, as batch norm leaves them."""

    def __init__(self, activation: str = "relu", norm: bool = True) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=not norm)
        self.norm = nn.BatchNorm2d(8) if norm else nn.Identity()
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.grouped, self.point = nn.Conv2d(8, 12, 1, groups=2), nn.Conv2d(12, 6, 1)
        self.classifier = nn.Linear(6, 5)
        self.activation = activation
        with torch.no_grad():
            factor = torch.logspace(-1.5, 1.5, 8)
            target = self.norm.weight if norm else self.stem.weight
            target.mul_(factor.view(-1, *[1] * (target.ndim - 1)))
            if not norm:
                self.stem.bias.mul_(factor)
            self.depthwise.weight.div_(factor.view(-1, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        f = getattr(functional, self.activation)
        x = f(self.depthwise(f(self.norm(self.stem(x)))))
        x = f(self.point(functional.avg_pool2d(f(self.grouped(x)), 2)))
        return self.classifier(x.mean((2, 3)))


def skewed(activation: str = "relu", norm: bool = True) -> nn.Module:
    return Skewed(activation, norm).eval()


def graph(activation: str = "relu", norm: bool = True) -> torch.fx.GraphModule:
    torch.manual_seed(0)
    return capture(skewed(activation, norm), SHAPE)


X = torch.randn(32, *SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_equalisation_keeps_the_function_and_lowers_the_error(activation: str, norm: bool) -> None:
    before = graph(activation, norm)
    after = copy.deepcopy(before)
    assert equalize(after, X) == 4
    with torch.no_grad():
        assert torch.allclose(after(X), before(X), rtol=1e-4, atol=1e-5)
    seen, judge = X[8:], X[:8]
    gain = imitation_db(after, before, seen, judge) - imitation_db(before, before, seen, judge)
    assert gain > 0.5


def test_equalised_channels_have_equal_ranges_on_both_sides() -> None:
    made = graph()
    equalize(made, X)
    tensors = named_tensors(made)
    first = tensors["stem.weight"].flatten(1).abs().amax(1)
    second = tensors["depthwise.weight"].flatten(1).abs().amax(1)
    assert torch.allclose(first, second, rtol=0.05)


def test_relu6_and_branches_are_left_alone() -> None:
    clipped = graph("relu6")
    assert not [p for p in pairs(fold_norms(clipped)) if p.first.weight == "stem.weight"]

    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.one(x).relu()
            return self.two(y) + y

    assert not list(pairs(homes(capture(Branch().eval(), SHAPE))))


def test_folding_norms_keeps_the_function() -> None:
    before = graph()
    after = copy.deepcopy(before)
    fold_norms(after)
    with torch.no_grad():
        assert torch.allclose(after(X), before(X), rtol=1e-4, atol=1e-5)
    assert not torch.equal(after.get_parameter("stem.weight"), before.get_parameter("stem.weight"))


@pytest.mark.parametrize("norm", [True, False])
def test_bias_correction_takes_away_the_mean_error(norm: bool) -> None:
    before = graph(norm=norm)
    with torch.no_grad():  # rounding that is biased on purpose
        before.get_parameter("point.weight").add_(0.3)
    after = copy.deepcopy(before)
    assert correct_bias(after, X) == 5
    with torch.no_grad():
        want = before(X)
        errors = []
        for one in (before, after):
            ranges: dict[str, tuple[float, float]] = {}
            Imitation(before, ranges).run(X)
            with rounded_weights(one):
                errors.append((Imitation(one, ranges).run(X) - want).mean(0).abs().max())
    assert errors[1] < errors[0] / 2


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(1, 5), st.integers(2, 12), st.integers(0, 2**31))
def test_rounding_together_is_never_worse_and_ends_on_the_grid(
    groups: int, rows: int, columns: int, seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    weight = torch.randn(groups, rows, columns, generator=draw).double()
    inputs = torch.randn(groups, 40, columns, generator=draw).double()
    inputs = inputs + inputs[:, :, :1] * 2  # correlated: where rounding together pays
    moments = inputs.mT @ inputs / 40
    found = adapted(weight, moments)
    flat = found.reshape(-1, columns)
    scales = weight.abs().amax(2).reshape(-1, 1) / 127
    assert torch.allclose(flat / scales, (flat / scales).round(), atol=1e-6)
    assert torch.allclose(flat.abs().amax(1), weight.abs().amax(2).flatten())
    nearest = on_grid(weight.reshape(-1, columns)).view_as(weight)
    ours, theirs = ((inputs @ (weight - w).mT).square().sum() for w in (found, nearest))
    assert ours <= theirs * (1 + 1e-9)


def test_rounded_layers_answer_nearer_and_converters_find_the_same_integers() -> None:
    before = graph()
    fold_norms(before)
    after = copy.deepcopy(before)
    assert round_weights(after, X) == 5
    for home in homes(after):
        weight = after.get_parameter(home.weight)
        assert torch.allclose(on_grid(weight), weight, rtol=1e-6)
    with torch.no_grad(), rounded_weights(before):
        plain = before(X)
    with torch.no_grad():
        want, ours = graph()(X), after(X)
    assert (ours - want).square().sum() < (plain - want).square().sum()


def test_the_stage_says_what_it_measured_and_keeps_only_what_helps(tmp_path: Path) -> None:
    source = {
        "factory": "tests.quantize.test_refine:skewed",
        "args": {},
        "digest": DIGEST,
        "seed": 0,
    }
    model = save(workdir(tmp_path / "m"), graph(), source=source, classes=5)
    cfg = RefineConfig(samples=32)
    made = equalize_stage(model, data=Noise(model), cfg=cfg, work=workdir(tmp_path / "e"))
    (told,) = made.meta["refined"]
    assert told["kept"]
    assert told["after_db"] > told["before_db"]
    again = equalize_stage(made, data=Noise(model), cfg=cfg, work=workdir(tmp_path / "again"))
    assert len(again.meta["refined"]) == 2
    if not again.meta["refined"][1]["kept"]:
        kept, same = load(made).state_dict(), load(again).state_dict()
        assert all(torch.equal(kept[name], same[name]) for name in kept)
