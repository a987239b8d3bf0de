"""The uncertainty of a figure from its budget (JCGM 100 "GUM", JCGM 101 for the coverage factor).

A datasheet limit is rectangular, noise is normal. Twice the standard uncertainty covers 95 % of a
normal sum but all of a rectangular one, so the factor k comes from the distribution of the sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special, stats

COVERAGE = 0.9545
"""What k = 2 covers of a normal distribution."""
DRAWS = 1 << 14
COLUMNS = 8


@dataclass(frozen=True)
class Term:
    """One line of a budget: a standard uncertainty in the figure's own unit.

    `dof` are the degrees of freedom of an estimate from readings; a datasheet's are infinite.
    """

    name: str
    u: float
    shape: Literal["normal", "rectangular"] = "normal"
    dof: float = math.inf

    def scaled(self, factor: float) -> Term:
        """The term of a figure that is `factor` times this one."""
        return replace(self, u=abs(factor) * self.u)


@dataclass(frozen=True)
class Uncertainty:
    """Expanded uncertainty: the figure +- `expanded` covers 95 %; `expanded` = k * u."""

    u: float
    k: float
    terms: tuple[Term, ...]

    @property
    def expanded(self) -> float:
        """Half of the coverage interval."""
        return self.k * self.u


def combine(terms: Iterable[Term]) -> Uncertainty:
    """Independent terms as one. Effective degrees of freedom after Welch and Satterthwaite."""
    kept = tuple(term for term in terms if term.u > 0)
    u = math.hypot(*(term.u for term in kept))
    if u == 0:
        return Uncertainty(0.0, 2.0, ())
    inverse_dof = sum((term.u / u) ** 4 / term.dof for term in kept)
    widening = _student(1 / inverse_dof) / 2 if inverse_dof > 0 else 1.0
    return Uncertainty(u, _factor(kept, u) * widening, kept)


def _student(dof: float) -> float:
    return float(stats.t.ppf((1 + COVERAGE) / 2, max(1.0, dof)))


def _factor(terms: Sequence[Term], u: float) -> float:
    """k of a sum of one normal and some rectangular terms, by a fixed stratified sample of it."""
    flat = sorted((term.u for term in terms if term.shape == "rectangular"), reverse=True)
    normal = math.hypot(*(term.u for term in terms if term.shape == "normal"), *flat[COLUMNS - 1 :])
    scale = np.array([normal, *flat[: COLUMNS - 1]]) / u
    sums = np.abs(_unit_draws()[:, : len(scale)] @ scale)
    return float(np.quantile(sums, COVERAGE))


@cache
def _unit_draws() -> npt.NDArray[np.float64]:
    """Columns of unit variance: a normal one, then rectangular ones; the same ones every time."""
    chance = np.random.default_rng(101)
    strata = (np.arange(DRAWS) + 0.5) / DRAWS
    uniform = np.stack([chance.permutation(strata) for _ in range(COLUMNS)], axis=1)
    draws = (2 * uniform - 1) * math.sqrt(3)
    draws[:, 0] = special.ndtri(uniform[:, 0])
    return draws
