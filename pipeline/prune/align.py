"""Widths that make every tensor of a family a multiple, also where families share tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pipeline.prune.bounds import Bounds
from pipeline.prune.families import Family

_MOVES_AT_MOST = 400


class Alignment:
    """The tensor axes that families share, as sums of their widths.

    A family alone is aligned by its step. Where several small ones lie side by side in one tensor
    (channel shuffles and splits cut a layer into such pieces), their widths must fit together:
    each axis is `fixed + sum(count * width)`, and that sum has to be a multiple.
    """

    def __init__(
        self, found: Sequence[Family], allowed: Mapping[str, Bounds], multiple: int
    ) -> None:
        self.found, self.allowed, self.multiple = found, allowed, multiple
        rows: dict[tuple[str, int], Tensor] = {}
        sizes: dict[tuple[str, int], int] = {}
        for number, family in enumerate(found):
            for member in family.members:
                key = (member.tensor, member.axis)
                if not member.grouped:
                    row = rows.setdefault(key, torch.zeros(len(found), dtype=torch.int64))
                    row[number] += member.positions.shape[1]
                    sizes[key] = _size(family, member.tensor, member.axis)
        wide = [key for key in rows if sizes[key] >= multiple]
        widths = torch.tensor([family.width for family in found])
        counts = [rows[key] for key in wide]
        self.counts = torch.stack(counts) if counts else torch.zeros(0, len(found)).long()
        total = torch.tensor([sizes[key] for key in wide], dtype=torch.int64)
        self.fixed = total - self.counts @ widths

    def widths(self, wanted: Mapping[str, int]) -> dict[str, int]:
        """The allowed widths nearest above `wanted`, or a joint solution where they do not fit."""
        near = {f.name: self.allowed[f.name].nearest(wanted[f.name]) for f in self.found}
        start = torch.tensor([near[f.name] for f in self.found], dtype=torch.int64)
        for group in self._groups():
            if self._fits(start, group):
                continue
            joint = self._search(start, wanted, group)
            start = start if joint is None else joint
        return {f.name: int(width) for f, width in zip(self.found, start, strict=True)}

    def _fits(self, widths: Tensor, group: Tensor) -> bool:
        rows = self.counts[:, group].any(1)
        return not bool(self._off(widths)[rows].any())

    def _off(self, widths: Tensor) -> Tensor:
        rest = (self.fixed + self.counts @ widths) % self.multiple
        return torch.minimum(rest, self.multiple - rest)

    def _groups(self) -> list[Tensor]:
        """Families that share an axis, directly or through others."""
        label = torch.arange(len(self.found))
        for row in self.counts:
            members = row.nonzero().flatten()
            low = label[members].min()
            label[torch.isin(label, label[members])] = low
        return [(label == one).nonzero().flatten() for one in sorted(set(label.tolist()))]

    def _search(self, start: Tensor, wanted: Mapping[str, int], group: Tensor) -> Tensor | None:
        """Change one or two widths at a time, whatever brings the sums nearest to multiples."""
        widths = start.clone()
        free = [int(i) for i in group if self._range(int(i))[0] < self._range(int(i))[1]]
        for i in free:
            low, high = self._range(i)
            widths[i] = min(max(wanted[self.found[i].name], low), high)
        for _ in range(_MOVES_AT_MOST):
            if self._fits(widths, group):
                return widths
            moved = self._best(widths, self._moves(widths, free))
            if moved is None:
                few = self._moves(widths, free, 2)
                pairs = [(*a, *b) for a in few for b in few if a[0][0] < b[0][0]]
                moved = self._best(widths, pairs)
            if moved is None:
                return None
            widths = moved
        return None

    def _range(self, number: int) -> tuple[int, int]:
        allowed = self.allowed[self.found[number].name]
        return allowed.least, allowed.high

    def _moves(
        self, widths: Tensor, free: Sequence[int], most: int | None = None
    ) -> list[tuple[tuple[int, int], ...]]:
        found: list[tuple[tuple[int, int], ...]] = []
        for i in free:
            low, high = self._range(i)
            for width in range(low, high + 1):
                far = abs(width - int(widths[i]))
                if 0 < far <= (most or self.multiple):
                    found.append(((i, width),))
        return found

    def _best(self, widths: Tensor, moves: Sequence[tuple[tuple[int, int], ...]]) -> Tensor | None:
        """The move after which least is off; of equals, the smallest. None if none improves."""
        if not moves:
            return None
        tried = widths.repeat(len(moves), 1)
        for row, move in zip(tried, moves, strict=True):
            for place, width in move:
                row[place] = width
        rest = (self.fixed + tried @ self.counts.T) % self.multiple
        off = torch.minimum(rest, self.multiple - rest).sum(1)
        score = off * 1_000_000 + (tried - widths).abs().sum(1)
        best = int(score.argmin())
        return tried[best] if int(off[best]) < int(self._off(widths).sum()) else None


def _size(family: Family, tensor: str, axis: int) -> int:
    return int(family.tensors[tensor].shape[axis])
