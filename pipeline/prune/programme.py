"""Widths whose sums are multiples, nearest to those that are wanted: an integer programme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

_NODES_AT_MOST = 2000
"""Of the search tree: a limit that gives the same widths on every machine."""
_OFF = 1e4
"""What an axis that is no multiple costs, in channels: more than any change of widths."""

Limits = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Axes:
    """The sizes `counts @ widths + fixed` of tensor axes: (axes, families) and (axes,)."""

    counts: NDArray[np.int64]
    fixed: NDArray[np.int64]


@dataclass(frozen=True)
class Programme:
    """Sizes of `multiples` are to be multiples of `multiple`; those of `filled` are not 0."""

    multiples: Axes
    filled: Axes
    multiple: int

    def nearest(
        self, limits: Limits, aim: NDArray[np.int64], *, off: bool
    ) -> NDArray[np.int64] | None:
        """Widths within their (least, most) nearest to `aim`; None where there are none.

        Where they may be `off`, sizes are multiples as far as it goes.
        """
        found = self._solve(limits, aim, off=off)
        return None if found.x is None else found.x[: len(aim)].round().astype(np.int64)

    def possible(self, limits: Limits) -> bool | None:
        """Whether there are widths, none of them off; None if the search ended before it knew."""
        aim = np.array([most for _, most in limits], dtype=np.int64)
        found = self._solve(limits, aim, off=False)
        return True if found.x is not None else {2: False}.get(found.status)  # 2: infeasible

    def _solve(
        self, limits: Limits, aim: NDArray[np.int64], *, off: bool
    ) -> optimize.OptimizeResult:
        """The variables are [widths, numbers of multiples, off or not, changes]."""
        m, n = self.multiples.counts.shape
        number, slack = -self.multiple * np.eye(m), -off * (self.multiple - 1) * np.eye(m)
        change, none = np.eye(n), np.zeros
        rows = [
            (
                [self.multiples.counts, number, none((m, m)), none((m, n))],
                -self.multiples.fixed,
                np.inf,
            ),
            ([self.multiples.counts, number, slack, none((m, n))], -np.inf, -self.multiples.fixed),
            (
                [self.filled.counts, none((len(self.filled.counts), 2 * m + n))],
                1 - self.filled.fixed,
                np.inf,
            ),
            ([np.eye(n), none((n, 2 * m)), -change], -np.inf, aim),
            ([np.eye(n), none((n, 2 * m)), change], aim, np.inf),
        ]
        least, most = np.array(limits, dtype=float).T
        return optimize.milp(
            np.array([*none(n + m), *[_OFF] * m, *np.ones(n)]),
            constraints=[optimize.LinearConstraint(np.hstack(row), lb, ub) for row, lb, ub in rows],
            bounds=optimize.Bounds(
                np.array([*least, *none(2 * m + n)]),
                np.array([*most, *[np.inf] * m, *np.ones(m), *[np.inf] * n]),
            ),
            integrality=np.array([1] * (n + 2 * m) + [0] * n),
            options={"node_limit": _NODES_AT_MOST},
        )
