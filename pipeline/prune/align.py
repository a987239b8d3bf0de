"""Widths that make every tensor of a family a multiple, also where families share tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy import optimize
from torch import Tensor

from pipeline.prune.bounds import Bounds
from pipeline.prune.families import Family

_NODES_AT_MOST = 2000
"""Of the search tree: a limit that gives the same widths on every machine."""
_OFF = 1e4
"""What an axis that is no multiple costs, in channels: more than any change of widths."""


class Alignment:
    """The tensor axes that families share, as sums of their widths.

    A family alone is aligned by its step. Where several small ones lie side by side in one tensor
    (channel shuffles and splits cut a layer into such pieces), their widths must fit together:
    each axis is `fixed + sum(count * width)`, and that sum has to be a multiple. A piece may then
    go whole, as long as something stays of every tensor and of every output of a split.
    """

    def __init__(
        self, found: Sequence[Family], allowed: Mapping[str, Bounds], multiple: int
    ) -> None:
        self.found, self.allowed, self.multiple = found, allowed, multiple
        widths = torch.tensor([family.width for family in found])
        rows: dict[tuple[str, int], Tensor] = {}
        sizes: dict[tuple[str, int], int] = {}
        for number, family in enumerate(found):
            lying = {("", cut.number): (cut.size, cut.count) for cut in family.cuts}
            for m in family.members:
                if not m.grouped:
                    size = family.tensors[m.tensor].shape[m.axis]
                    lying[m.tensor, m.axis] = size, m.positions.shape[1]
            for key, (size, count) in lying.items():
                row = rows.setdefault(key, torch.zeros(len(found), dtype=torch.int64))
                row[number] += count
                sizes[key] = size
        table = {key: (*row.tolist(), sizes[key] - int(row @ widths)) for key, row in rows.items()}
        wide = {table[key] for key in rows if key[0] and sizes[key] >= multiple}
        self.counts, self.fixed = _matrix(wide, len(found))
        self.every, self.rest = _matrix(set(table.values()), len(found))

    def widths(self, wanted: Mapping[str, int]) -> dict[str, int]:
        """The allowed widths nearest above `wanted`, or a joint solution where they do not fit."""
        near = {f.name: self.allowed[f.name].nearest(wanted[f.name]) for f in self.found}
        start = torch.tensor([near[f.name] for f in self.found], dtype=torch.int64)
        for group in self._groups():
            if not self._fits(start, group):
                aim = torch.tensor([wanted[self.found[int(i)].name] for i in group])
                start[group] = self._joint(group, aim, start[group])
        return {f.name: int(width) for f, width in zip(self.found, start, strict=True)}

    def _fits(self, widths: Tensor, group: Tensor) -> bool:
        rows = self.counts[:, group].any(1)
        return not bool(((self.fixed + self.counts @ widths) % self.multiple)[rows].any())

    def _groups(self) -> list[Tensor]:
        """Families that share an axis, directly or through others."""
        label = torch.arange(len(self.found))
        for row in self.counts:
            members = row.nonzero().flatten()
            label[torch.isin(label, label[members])] = label[members].min()
        return [(label == one).nonzero().flatten() for one in sorted(set(label.tolist()))]

    def _joint(self, group: Tensor, aim: Tensor, otherwise: Tensor) -> Tensor:
        """Pieces stay in part if that is possible; else some go whole, or some axes are off."""
        for whole, off in ((False, False), (True, False), (True, True)):
            found = self._solve(group, aim, whole=whole, off=off)
            if found is not None:
                return found
        return otherwise

    def _solve(self, group: Tensor, aim: Tensor, *, whole: bool, off: bool) -> Tensor | None:
        """The widths nearest to `aim`: an integer programme in (widths, multiples, off, change).

        Axis by axis `fixed + counts @ width - multiple * number = rest`, where `rest` is 0, or
        less than the multiple where the axis may be off.
        """
        used = self.counts[:, group].any(1)
        counts, fixed = self.counts[used][:, group].numpy(), self.fixed[used].numpy()
        shared = self.every[:, group].any(1)
        left, rest = self.every[shared][:, group].numpy(), self.rest[shared].numpy()
        n, m = len(group), len(counts)
        allowed = [self.allowed[self.found[int(i)].name] for i in group]
        eye, none = np.eye(n), np.zeros
        slack = off * (self.multiple - 1) * np.eye(m)
        sums = np.hstack([counts, -self.multiple * np.eye(m), none((m, m + n))])
        over = np.hstack([counts, -self.multiple * np.eye(m), -slack, none((m, n))])
        constraints = [
            optimize.LinearConstraint(sums, lb=-fixed),
            optimize.LinearConstraint(over, ub=-fixed),
            optimize.LinearConstraint(np.hstack([left, none((len(left), 2 * m + n))]), lb=1 - rest),
            optimize.LinearConstraint(
                np.hstack([eye, none((n, 2 * m)), -eye]), ub=aim.numpy().astype(float)
            ),
            optimize.LinearConstraint(
                np.hstack([eye, none((n, 2 * m)), eye]), lb=aim.numpy().astype(float)
            ),
        ]
        least = [0 if whole and bound.least == 1 else bound.least for bound in allowed]
        high = [bound.high for bound in allowed]
        bounds = optimize.Bounds(
            np.array([*least, *none(m), *none(m), *none(n)]),
            np.array([*high, *[np.inf] * m, *np.ones(m), *[np.inf] * n]),
        )
        cost = np.array([*none(n), *none(m), *[_OFF] * m, *np.ones(n)])
        integral = np.array([1] * (n + 2 * m) + [0] * n)
        options = {"node_limit": _NODES_AT_MOST}
        found = optimize.milp(
            cost, constraints=constraints, bounds=bounds, integrality=integral, options=options
        )
        return None if found.x is None else torch.from_numpy(found.x[:n].round()).long()


def _matrix(rows: set[tuple[int, ...]], columns: int) -> tuple[Tensor, Tensor]:
    """(axes, families) counts and (axes,) fixed places; axes that are alike once."""
    table = torch.tensor(sorted(rows), dtype=torch.int64).reshape(-1, columns + 1)
    return table[:, :-1], table[:, -1]
