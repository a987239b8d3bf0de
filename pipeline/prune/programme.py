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


@dataclass(frozen=True)
class Axes:
    """The sizes `counts @ widths + fixed` of tensor axes: (axes, families) and (axes,)."""

    counts: NDArray[np.int64]
    fixed: NDArray[np.int64]


def nearest(
    multiples: Axes,
    filled: Axes,
    limits: Sequence[tuple[int, int]],
    aim: NDArray[np.int64],
    multiple: int,
    *,
    off: bool,
) -> NDArray[np.int64] | None:
    """Widths within their (least, most) nearest to `aim`; None where there are none.

    Sizes of `multiples` are multiples, as far as it goes where they may be `off`; those of
    `filled` are not 0.
    """
    found = _solve(multiples, filled, limits, aim, multiple, off=off)
    return None if found.x is None else found.x[: len(aim)].round().astype(np.int64)


def possible(
    multiples: Axes, filled: Axes, limits: Sequence[tuple[int, int]], multiple: int
) -> bool | None:
    """Whether there are such widths, none of them off; None if the search ended before it knew."""
    aim = np.array([most for _, most in limits], dtype=np.int64)
    found = _solve(multiples, filled, limits, aim, multiple, off=False)
    return True if found.x is not None else {2: False}.get(found.status)  # 2: infeasible


def _solve(
    multiples: Axes,
    filled: Axes,
    limits: Sequence[tuple[int, int]],
    aim: NDArray[np.int64],
    multiple: int,
    *,
    off: bool,
) -> optimize.OptimizeResult:
    """The variables are [widths, numbers of multiples, off or not, changes]."""
    m, n = multiples.counts.shape
    number, slack = -multiple * np.eye(m), -off * (multiple - 1) * np.eye(m)
    change, none = np.eye(n), np.zeros
    rows = [
        ([multiples.counts, number, none((m, m)), none((m, n))], -multiples.fixed, np.inf),
        ([multiples.counts, number, slack, none((m, n))], -np.inf, -multiples.fixed),
        ([filled.counts, none((len(filled.counts), 2 * m + n))], 1 - filled.fixed, np.inf),
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
