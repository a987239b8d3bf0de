"""Channel shuffles whose views would tie everything to everything: as a pick of constant places."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from pipeline.models.graph import named_tensors
from pipeline.prune.align import Alignment
from pipeline.prune.cost import BATCH
from pipeline.prune.families import CUTS, families
from pipeline.prune.labels import core
from pipeline.prune.rules import name_of
from pipeline.prune.shapes import shapes
from pipeline.prune.trace import Trace

_VIEWS = {"view", "reshape", "_unsafe_view", "flatten", "unflatten", "channel_shuffle"}
_REORDERS = {"permute", "transpose", "swapaxes", "movedim", "channel_shuffle"}
_MOVES = _VIEWS | _REORDERS | {"contiguous", "clone"}


@dataclass(frozen=True)
class Shuffle:
    """Moves, one after the other, that come to a permutation of one axis: `places` of it."""

    moves: tuple[fx.Node, ...]
    axis: int
    places: Tensor

    def ties_all(self, trace: Trace) -> bool:
        """Whether channels are held fixed because of it, here or in a piece of what it makes."""
        cuts = [user for user in self.moves[-1].users if name_of(user) in CUTS]
        return any(node.name in trace.collapsed for node in (*self.moves, *cuts))


def untie(graph_module: fx.GraphModule, multiple: int = 1) -> fx.GraphModule:
    """The same function, with shuffles that would hold their channels fixed as `index_select`.

    A shuffle by views keeps its shape only if the same places of all its groups go. Where several
    follow each other, as between the halves of a ShuffleNet's stage, this can tie all channels of a
    layer to each other, or into pieces of which no widths make multiples. Those shuffles, and no
    others (kernels move a view faster), become what they are: a permutation, of which any channel
    can go. A graph without them is given back.
    """
    while known := list(_shuffles(graph_module)):
        trace = Trace(graph_module)
        held = [shuffle for shuffle in known if shuffle.ties_all(trace)]
        held = held or _misfits(trace, known, multiple)[-1:]
        if not held:
            break
        graph_module = _picked(graph_module, held)
    return graph_module


def _misfits(trace: Trace, known: Sequence[Shuffle], multiple: int) -> list[Shuffle]:
    """The shuffles of channels that no widths align."""
    found = families(trace, named_tensors(trace.graph_module))
    misfits = Alignment(found, {}, multiple).misfits() if multiple > 1 else []
    if not misfits:
        return []
    labels = torch.cat([family.labels for family in misfits])
    made = [trace.labels.find(core(trace.of(shuffle.moves[-1]))) for shuffle in known]
    return [s for s, one in zip(known, made, strict=True) if bool(torch.isin(one, labels).any())]


def _shuffles(graph_module: fx.GraphModule) -> Iterator[Shuffle]:
    runs = [run for node in graph_module.graph.nodes if (run := _run(node))]
    held = shapes(graph_module, BATCH) if runs else {}
    for run in runs:
        found = _permutation(run, held)
        if found is not None:
            yield found


def _run(node: fx.Node) -> list[fx.Node]:
    """Moves with one reader each, from a view on; nothing where they reorder nothing."""
    if node.op != "call_function" or name_of(node) not in _VIEWS:
        return []
    run = [node]
    while len(run[-1].users) == 1 and name_of(reader := next(iter(run[-1].users))) in _MOVES:
        run.append(reader)
    return run if {name_of(move) for move in run} & _REORDERS else []


def _permutation(run: Sequence[fx.Node], held: Mapping[str, Any]) -> Shuffle | None:
    """The shortest part of a run that permutes one axis, not that of the batch, if there is one."""
    source: Any = run[0].args[0]
    shape = held[source.name]
    if not any(held[node.name] == shape for node in run):
        return None
    value = before = torch.arange(math.prod(shape)).view(shape)
    for count, node in enumerate(run, 1):
        before_it: Any = node.args[0]
        known: dict[str, Any] = {**held, before_it.name: value}
        args, kwargs = _given(node, known)
        value = node.target(*args, **kwargs)  # type: ignore[operator]
        for axis in range(1, len(shape)) if value.shape == shape else ():
            step = math.prod(shape[axis + 1 :])
            places = value.movedim(axis, 0).reshape(shape[axis], -1)[:, 0] // step
            moved = places.max() < shape[axis] and not torch.equal(places, places.sort().values)
            if moved and torch.equal(before.index_select(axis, places), value):
                return Shuffle(tuple(run[:count]), axis, places)
    return None


def _given(node: fx.Node, known: Mapping[str, Any]) -> tuple[Any, Any]:
    return fx.map_arg((node.args, node.kwargs), lambda arg: known[arg.name])


def _picked(graph_module: fx.GraphModule, shuffles: Sequence[Shuffle]) -> fx.GraphModule:
    picked = copy.deepcopy(graph_module)
    nodes = {node.name: node for node in picked.graph.nodes}
    for shuffle in shuffles:
        first, *_, last = (nodes[node.name] for node in (shuffle.moves[0], *shuffle.moves))
        name = f"{first.name}_places"
        picked.register_buffer(name, shuffle.places)
        with picked.graph.inserting_before(first):
            index = picked.graph.get_attr(name)
            select = torch.ops.aten.index_select.default
            call = picked.graph.call_function(select, (first.args[0], shuffle.axis, index))
        call.meta["stack_trace"] = first.meta.get("stack_trace")
        last.replace_all_uses_with(call)
        for move in reversed(shuffle.moves):
            picked.graph.erase_node(nodes[move.name])
    picked.recompile()
    return picked
