"""Families: the channels that are chosen among each other, with all they drag along."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import Parameter

from pipeline.errors import UsageError
from pipeline.prune.evidence import Evidence
from pipeline.prune.rules import name_of
from pipeline.prune.trace import Trace

CUTS = {
    "split",
    "split_with_sizes",
    "chunk",
    "unsafe_split",
    "unsafe_chunk",
    "tensor_split",
    "slice",
    "narrow",
    "index",
    "index_select",
}


@dataclass(frozen=True)
class Member:
    """Where a family's channels lie in one tensor: `positions` is (channels, places of each).

    `grouped` marks the axis of a grouped convolution's weight that holds one group's inputs: no
    tensor in memory has that width.
    """

    tensor: str
    axis: int
    positions: Tensor
    grouped: bool = False


@dataclass(frozen=True)
class Cut:
    """An output of a split that `count` places of each channel lie in: it must not become empty."""

    number: int
    size: int
    count: int


@dataclass(frozen=True)
class Family:
    """`width` channels that can be removed one by one, each from every member at once.

    What a criterion sees: `weights()`, `gradients()` and their like give, for each member tensor
    that is learned, a (width, n) matrix with the numbers that belong to each channel.
    """

    name: str
    members: tuple[Member, ...]
    labels: Tensor
    seed: int = 0
    tensors: Mapping[str, Tensor] = field(default_factory=dict, repr=False)
    evidence: Evidence = field(default_factory=Evidence, repr=False)
    group: str = "sum"
    cuts: tuple[Cut, ...] = ()

    @property
    def width(self) -> int:
        """Number of channels."""
        return len(self.labels)

    def weights(self) -> list[Tensor]:
        """One (width, n) float matrix for each learned member."""
        return [_rows(self.tensors[m.tensor], m) for m in self.learned()]

    def gradients(self) -> list[Tensor]:
        """The gradients of `weights()`, in the same order."""
        return self._of("gradient")

    def squares(self) -> list[Tensor]:
        """Mean squares of the gradients of single samples, in the order of `weights()`."""
        return self._of("squared")

    def curvatures(self) -> list[Tensor]:
        """Diagonal of the loss's Hessian, in the order of `weights()`."""
        return self._of("curvature")

    def scales(self) -> list[Tensor]:
        """Batch norm scales of these channels, each (width, n); none where there is no norm."""
        mine = [m for m in self.learned() if m.tensor in self.evidence.scales]
        return [_rows(self.tensors[m.tensor], m) for m in mine]

    def activations(self) -> list[Tensor]:
        """Mean absolute activation of each channel, (width,): at its readers, else its writers."""
        known = self.evidence.activation
        watched = [m for m in self.members if (m.tensor, m.axis) in known]
        readers = [m for m in watched if m.axis == 1] or watched
        return [known[m.tensor, m.axis][m.positions].mean(1) for m in readers]

    def join(self, parts: list[Tensor]) -> Tensor:
        """One score per channel of the members' scores, each (width,), as `group` says."""
        stacked = torch.stack(parts)
        if self.group == "max":
            return stacked.amax(0)
        return stacked.mean(0) if self.group == "mean" else stacked.sum(0)

    def step(self, multiple: int) -> int:
        """How many channels go at a time so that every member's width is a multiple."""
        counts = [member.positions.shape[1] for member in self.members if not member.grouped]
        return math.lcm(*[multiple // math.gcd(multiple, count) for count in counts])

    def _of(self, kind: str) -> list[Tensor]:
        known: Mapping[str, Tensor] = getattr(self.evidence, kind)
        missing = [m.tensor for m in self.learned() if m.tensor not in known]
        if missing:
            fix = f"give data, and your criterion the attribute needs = ('{kind}',)"
            raise UsageError(f"no {kind} of '{missing[0]}' was gathered", fix=fix)
        return [_rows(known[m.tensor], m) for m in self.learned()]

    def learned(self) -> list[Member]:
        """The members that are parameters, as `weights()` has them."""
        return [m for m in self.members if isinstance(self.tensors[m.tensor], Parameter)]


def _rows(tensor: Tensor, member: Member) -> Tensor:
    index = member.positions.reshape(-1)
    taken = tensor.detach().movedim(member.axis, 0).index_select(0, index)
    return taken.reshape(len(member.positions), -1)


def families(
    trace: Trace, tensors: Mapping[str, Tensor], seed: int = 0,
    evidence: Evidence | None = None,
) -> list[Family]:  # fmt: skip
    """Group the free classes that lie in the same tensors, as often, in graph order."""
    entries = trace.axes()
    places: dict[int, list[tuple[int, int]]] = {}
    vectors = [vector for _, _, vector in entries] + cut_outputs(trace)
    for number, vector in enumerate(vectors):
        classes, counts = torch.unique(trace.labels.find(vector), return_counts=True)
        for one, count in zip(classes.tolist(), counts.tolist(), strict=True):
            if one:
                places.setdefault(one, []).append((number, count))
    groups: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for one in sorted(places):
        groups.setdefault(tuple(places[one]), []).append(one)
    names: dict[str, int] = {}
    found = []
    for signature, classes_of_group in groups.items():
        chosen = [entries[number] for number, _ in signature if number < len(entries)]
        cuts = tuple(
            Cut(number, len(vectors[number]), count)
            for number, count in signature
            if number >= len(entries)
        )
        if not any(tensors[name].dim() > 1 for name, _, _ in chosen):
            continue
        roots = torch.tensor(classes_of_group)
        members = tuple(_member(trace, entry, roots) for entry in chosen)
        name = _unique_name(names, members[0].tensor)
        known = evidence or Evidence()
        found.append(Family(name, members, roots, seed, tensors, known, cuts=cuts))
    return found


def cut_outputs(trace: Trace) -> list[Tensor]:
    """What comes out of a split is a tensor of its own, which must not become empty."""
    found = []
    for node in trace.graph_module.graph.nodes:
        if node.op == "call_function" and name_of(node) in CUTS:
            value = trace.values[node.name]
            for labels in value if isinstance(value, list) else [value]:
                axis = None if labels is None else trace.labels.axis(labels)
                vector = None if axis is None else trace.labels.vector(labels, axis)  # type: ignore[arg-type]
                found += [] if vector is None else [vector]
    return found


def _member(trace: Trace, entry: tuple[str, int, Tensor], roots: Tensor) -> Member:
    name, axis, vector = entry
    found = trace.labels.find(vector)
    where = torch.isin(found, roots).nonzero().flatten()
    order = where[torch.argsort(found[where], stable=True)]
    return Member(name, axis, order.reshape(len(roots), -1), (name, axis) in trace.grouped)


def _unique_name(names: dict[str, int], name: str) -> str:
    names[name] = names.get(name, 0) + 1
    return name if names[name] == 1 else f"{name}#{names[name]}"
