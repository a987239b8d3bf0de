"""Widths that make every tensor of a family a multiple, also where families share tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from pipeline.prune.bounds import Bounds
from pipeline.prune.families import Family
from pipeline.prune.programme import Axes, Programme


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
        self.table = table = {
            key: (*row.tolist(), sizes[key] - int(row @ widths)) for key, row in rows.items()
        }
        wide = {table[key] for key in rows if key[0] and sizes[key] >= multiple}
        self.counts, self.fixed = _matrix(wide, len(found))
        self.every, self.rest = _matrix(set(table.values()), len(found))
        self._answers: dict[int, bool | None] = {}

    def widths(self, wanted: Mapping[str, int]) -> dict[str, int]:
        """The allowed widths nearest above `wanted`, or a joint solution where they do not fit."""
        near = {f.name: self.allowed[f.name].nearest(wanted[f.name]) for f in self.found}
        start = torch.tensor([near[f.name] for f in self.found], dtype=torch.int64)
        for group in self._groups:
            if not self._fits(start, group):
                aim = torch.tensor([wanted[self.found[int(i)].name] for i in group])
                start[group] = self._joint(group, aim, start[group])
        return {f.name: int(width) for f, width in zip(self.found, start, strict=True)}

    def counts_of(self, axis: tuple[str, int]) -> dict[str, int]:
        """{family: places that each of its channels takes of an axis}."""
        counts = self.table.get(axis, ())[:-1]
        return {f.name: n for f, n in zip(self.found, counts, strict=False) if n}

    def possible(self, axis: tuple[str, int]) -> bool | None:
        """Whether any widths make multiples of an axis and all that it shares channels with.

        Bounds have no part in it. None where the search for them ended without an answer.
        """
        if not self.counts_of(axis):
            return False
        row = torch.tensor(self.table[axis][:-1])
        return self._can(next(group for group in self._groups if bool(row[group].any())))

    def misfits(self) -> list[Family]:
        """The families that share axes of which no widths make multiples."""
        groups = [group for group in self._groups if self._can(group) is False]
        return [self.found[int(i)] for group in groups for i in group]

    def _can(self, group: Tensor) -> bool | None:
        """The programme's answer, which is the same for all axes of a group."""
        first = int(group[0])
        if first not in self._answers:
            limits = [(0, self.found[int(i)].width) for i in group]
            self._answers[first] = self._programme(group).possible(limits)
        return self._answers[first]

    def _programme(self, group: Tensor) -> Programme:
        multiples = _within(group, self.counts, self.fixed)
        return Programme(multiples, _within(group, self.every, self.rest), self.multiple)

    def _fits(self, widths: Tensor, group: Tensor) -> bool:
        rows = self.counts[:, group].any(1)
        return not bool(((self.fixed + self.counts @ widths) % self.multiple)[rows].any())

    @cached_property
    def _groups(self) -> list[Tensor]:
        """Families that share an axis, directly or through others."""
        label = torch.arange(len(self.found))
        for row in self.counts:
            members = row.nonzero().flatten()
            label[torch.isin(label, label[members])] = label[members].min()
        return [(label == one).nonzero().flatten() for one in sorted(set(label.tolist()))]

    def _joint(self, group: Tensor, aim: Tensor, otherwise: Tensor) -> Tensor:
        """Pieces stay in part if that is possible; else some go whole, or some axes are off."""
        programme = self._programme(group)
        allowed = [self.allowed[self.found[int(i)].name] for i in group]
        for whole, off in ((False, False), (True, False), (True, True)):
            limits = [(0 if whole and b.least == 1 else b.least, b.high) for b in allowed]
            found = programme.nearest(limits, aim.numpy(), off=off)
            if found is not None:
                return torch.from_numpy(found)
        return otherwise


def _matrix(rows: set[tuple[int, ...]], columns: int) -> tuple[Tensor, Tensor]:
    """(axes, families) counts and (axes,) fixed places; axes that are alike once."""
    table = torch.tensor(sorted(rows), dtype=torch.int64).reshape(-1, columns + 1)
    return table[:, :-1], table[:, -1]


def _within(group: Tensor, counts: Tensor, fixed: Tensor) -> Axes:
    rows = counts[:, group].any(1)
    return Axes(counts[rows][:, group].numpy(), fixed[rows].numpy())
