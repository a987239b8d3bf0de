"""Criteria: from a family to one score per channel; the lowest go first.

A criterion scores each member tensor, and `family.join` makes one score of them (`group`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor

from pipeline.config.resolve import resolve
from pipeline.errors import UsageError
from pipeline.prune.families import Family

Criterion = Callable[[Family], Tensor]


class Unscored(Exception):
    """A family has nothing that this criterion looks at; it keeps its channels."""


def l1(family: Family) -> Tensor:
    """Sum of absolute weights (Li et al., 2017, arXiv:1608.08710), (width,)."""
    return family.join([w.abs().sum(1) for w in family.weights()])


def l2(family: Family) -> Tensor:
    """Euclidean norm of the weights; over all members with group "sum", (width,).

    Over coupled members it is the group norm of Fang et al. (2023, arXiv:2301.12900).
    """
    return family.join([w.square().sum(1) for w in family.weights()]).sqrt()


def taylor(family: Family) -> Tensor:
    """First-order change of the loss, sum |w g| (Molchanov et al., 2019, arXiv:1906.10771).

    (width,). Absolute values are taken element by element: before a batch norm, the signed
    products of a channel sum to zero.
    """
    pairs = zip(family.weights(), family.gradients(), strict=True)
    return family.join([(w * g).abs().sum(1) for w, g in pairs])


def taylor2(family: Family) -> Tensor:
    """Second-order change of the loss when w becomes 0, sum |-w g + w^2 h / 2|, (width,).

    Optimal brain damage (LeCun et al., 1989) with the gradient kept, as the weights to prune are
    rarely at a minimum; h is the Hessian's diagonal.
    """
    parts = zip(family.weights(), family.gradients(), family.curvatures(), strict=True)
    return family.join([(w.square() * h / 2 - w * g).abs().sum(1) for w, g, h in parts])


def hessian(family: Family) -> Tensor:
    """Curvature alone, sum w^2 |h| / 2: optimal brain damage (LeCun et al., 1989), (width,)."""
    pairs = zip(family.weights(), family.curvatures(), strict=True)
    return family.join([(w.square() * h.abs() / 2).sum(1) for w, h in pairs])


def fisher(family: Family) -> Tensor:
    """The same with the empirical Fisher diagonal for h (Theis et al., 2018, arXiv:1801.05787)."""
    pairs = zip(family.weights(), family.squares(), strict=True)
    return family.join([(w.square() * s / 2).sum(1) for w, s in pairs])


def fpgm(family: Family) -> Tensor:
    """Distance to all other channels: what is near the median goes (He et al., 2019), (width,).

    Filter pruning via geometric median, arXiv:1811.00250.
    """
    return family.join([torch.cdist(w, w).sum(1) for w in family.weights()])


def bn_scale(family: Family) -> Tensor:
    """|gamma| of the batch norms: network slimming (Liu et al., 2017, arXiv:1708.06519), (width,).

    Raises:
        Unscored: no batch norm scales these channels.
    """
    found = family.scales()
    if not found:
        raise Unscored("no batch norm scales its channels")
    return family.join([gamma.abs().sum(1) for gamma in found])


def lamp(family: Family) -> Tensor:
    """Share of a channel among those not weaker (Lee et al., 2021, arXiv:2010.07611), (width,).

    score(u) = |w_u|^2 / sum over v with |w_v| >= |w_u| of |w_v|^2; comparable between layers.
    """
    squares = family.join([w.square().sum(1) for w in family.weights()])
    order = torch.argsort(squares, descending=True, stable=True)
    shares = squares[order] / squares[order].cumsum(0).clamp_min(1e-30)
    return torch.empty_like(shares).index_copy_(0, order, shares)


def activation(family: Family) -> Tensor:
    """Mean absolute activation that arrives at the channels' readers (arXiv:1611.06440), (width,).

    Molchanov et al. (2017). Where no reader is watched, what leaves the writers counts.

    Raises:
        Unscored: neither is a convolution or a linear layer.
    """
    found = family.activations()
    if not found:
        raise Unscored("no convolution or linear layer reads or writes its channels")
    return family.join(found)


def random(family: Family) -> Tensor:
    """Uniform scores from the seed and the family's name: the baseline of any claim, (width,)."""
    number = hashlib.sha256(f"{family.seed}:{family.name}".encode()).digest()[:6]
    generator = torch.Generator().manual_seed(int.from_bytes(number, "big"))
    return torch.rand(family.width, generator=generator)


CRITERIA: dict[str, Criterion] = {
    "l1": l1, "l2": l2, "taylor": taylor, "taylor2": taylor2, "hessian": hessian,
    "fisher": fisher, "fpgm": fpgm, "bn-scale": bn_scale, "lamp": lamp,
    "activation": activation, "random": random,
}  # fmt: skip

NEEDS = {
    "taylor": ("gradient",), "taylor2": ("gradient", "curvature"), "hessian": ("curvature",),
    "fisher": ("squared",), "activation": ("activation",),
}  # fmt: skip
"""What each criterion wants to know from data; your own says so in an attribute `needs`."""


def named(name: str) -> Criterion:
    """A built-in criterion, or your own by `module:function`."""
    return CRITERIA.get(name) or resolve(name)


def needs(name: str) -> tuple[str, ...]:
    """The fields of `Evidence` a criterion cannot do without."""
    if name in CRITERIA:
        return NEEDS.get(name, ())
    return tuple(getattr(resolve(name), "needs", ()))


def scores(criterion: Criterion, family: Family) -> Tensor:
    """One finite float64 score per channel, (width,).

    Raises:
        UsageError: the criterion gives something else.
        Unscored: it has nothing to say about this family.
    """
    given = criterion(family)
    if not isinstance(given, Tensor) or given.shape != (family.width,):
        got = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
        fix = f"return a tensor of shape ({family.width},), one score per channel"
        raise UsageError(f"the criterion returned {got} for '{family.name}'", fix=fix)
    if not bool(torch.isfinite(given).all()):
        fix = "check the weights, the loss and the criterion"
        raise UsageError(f"the criterion's scores for '{family.name}' are not finite", fix=fix)
    return given.detach().double()
