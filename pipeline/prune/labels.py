"""Channel labels: one integer for everything that must be kept or removed together."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


class Labels:
    """A union-find over labels. A *label tensor* holds one label for each element of a tensor.

    Label tensors are stride-0 expansions of one vector wherever an axis does not vary, so they
    cost what the vector costs. Label 0 is fixed: what carries it is never removed.
    """

    def __init__(self) -> None:
        self._parent = torch.zeros(1, dtype=torch.int64)
        self._fixed = torch.ones(1, dtype=torch.bool)

    def fresh(self, count: int) -> Tensor:
        """New labels, (count,)."""
        start = len(self._parent)
        new = torch.arange(start, start + count)
        self._parent = torch.cat([self._parent, new])
        self._fixed = torch.cat([self._fixed, torch.zeros(count, dtype=torch.bool)])
        return new

    def root(self, labels: Tensor) -> Tensor:
        """The smallest label of each class, whether it is fixed or not."""
        return self._parent[labels]

    def find(self, labels: Tensor) -> Tensor:
        """The class of each label; 0 where it is fixed."""
        root = self.root(labels)
        return torch.where(self._fixed[root], 0, root)

    @staticmethod
    def classes(found: Tensor) -> list[int]:
        """The different classes of what `find` or `root` gave, ascending."""
        return sorted(set(core(found).reshape(-1).tolist()))

    def fix(self, labels: Tensor) -> None:
        """Never remove what carries these labels."""
        self._fixed[self.root(core(labels)).reshape(-1)] = True

    def union(self, first: Tensor, second: Tensor) -> None:
        """Tie two label tensors of the same shape, element by element."""
        first, second = _core_of_both(first, second)
        constant = (first == 0) | (second == 0)
        self.fix(torch.where(constant, first, 0))
        self.fix(torch.where(constant, second, 0))
        first, second = first[~constant], second[~constant]
        while True:
            first, second = self.root(first), self.root(second)
            apart = first != second
            if not bool(apart.any()):
                return
            first, second = first[apart], second[apart]
            self._link(torch.minimum(first, second), torch.maximum(first, second))

    def _link(self, low: Tensor, high: Tensor) -> None:
        ends = torch.cat([low, high])
        held = ends[self._fixed[ends]]
        self._parent.scatter_reduce_(0, high, low, "amin")
        while not torch.equal(flat := self._parent[self._parent], self._parent):
            self._parent = flat
        self._fixed[self._parent[held]] = True

    def varying(self, labels: Tensor) -> list[int]:
        """The axes along which the class changes."""
        found = self.find(core(labels))
        first = [found.narrow(axis, 0, min(1, found.shape[axis])) for axis in range(found.dim())]
        return [axis for axis, one in enumerate(first) if bool((found != one).any())]

    def settle(self, labels: Tensor, prefer: int | None = None, tied: Iterable[int] = ()) -> Tensor:
        """Let at most one axis vary, so that what is removed is always a slice of the tensor.

        The axis is `prefer`, else the one with most classes; along all others, and along the
        `tied` ones (the batch), labels are united. A tensor of a single class is fixed: removing
        it would leave nothing.
        """
        if labels.numel() == 0:
            return labels
        labels = core(labels).expand(labels.shape) if labels.dim() else labels
        varying = self.varying(labels)
        free = [axis for axis in varying if axis not in set(tied)]
        best = max(free, key=lambda axis: self.variety(labels, axis), default=None)
        chosen = prefer if prefer in free else best
        slim = core(labels)
        for axis in varying:
            if axis != chosen:
                self.union(slim, slim.narrow(axis, 0, 1).expand_as(slim))
        for axis in range(labels.dim()):
            if axis != chosen:
                slim = slim.narrow(axis, 0, 1)
        if not self.varying(slim):
            self.fix(slim)
        return slim.expand(labels.shape)

    def variety(self, labels: Tensor, axis: int) -> int:
        """How many classes there are along an axis."""
        rows = core(labels).movedim(axis, -1).reshape(-1, core(labels).shape[axis])[:8]
        return max(len(self.classes(self.find(row))) for row in rows)

    def axis(self, labels: Tensor) -> int | None:
        """The axis along which a settled label tensor varies."""
        varying = self.varying(labels)
        return varying[0] if varying else None

    def vector(self, labels: Tensor, axis: int) -> Tensor | None:
        """The labels along one axis; None if another one varies.

        Labels that nothing has settled yet (those of a parameter's elements) are settled so.
        """
        varying = self.varying(labels)
        if len(varying) > 1 and axis in varying:
            labels = self.settle(labels, axis)
        elif varying not in ([], [axis]):
            return None
        return labels.movedim(axis, 0).reshape(labels.shape[axis], -1)[:, 0]


def core(labels: Tensor) -> Tensor:
    """The smallest tensor that expands to this one: stride-0 axes cut to one element."""
    for axis in range(labels.dim()):
        if labels.stride(axis) == 0 and labels.shape[axis] > 1:
            labels = labels.narrow(axis, 0, 1)
    return labels


def _core_of_both(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    first, second = torch.broadcast_tensors(core(first), core(second))  # type: ignore[no-untyped-call]
    return first, second


def along(vector: Tensor, shape: Iterable[int], axis: int) -> Tensor:
    """A label tensor of this shape that varies along one axis only."""
    sizes = list(shape)
    view = [1] * len(sizes)
    view[axis] = len(vector)
    return vector.view(view).expand(sizes)


def fixed(shape: Iterable[int]) -> Tensor:
    """A label tensor of zeros, without its memory."""
    return torch.zeros((), dtype=torch.int64).expand(list(shape))
