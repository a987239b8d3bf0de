"""Properties that hold for any network, width and ratio."""

from __future__ import annotations

import json

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pipeline.errors import Refused
from pipeline.models.graph import capture, named_tensors
from pipeline.prune.align import Alignment
from pipeline.prune.allocate import global_, local
from pipeline.prune.bounds import bounds
from pipeline.prune.engine import prune_graph
from pipeline.prune.families import Family, Member
from pipeline.prune.plan import numbers, ranges
from pipeline.prune.rewrite import apply
from pipeline.prune.stage import PruneConfig
from tests.prune.checks import check_against_hooks
from tests.prune.nets import conv, settle, shuffled, unit

COUNTS = st.lists(st.sampled_from([1, 2, 3, 4, 9]), min_size=1, max_size=3)


def family(width: int, counts: list[int]) -> Family:
    members = [
        Member(f"t{i}", 0, torch.arange(width * c).reshape(width, c)) for i, c in enumerate(counts)
    ]
    return Family("f", tuple(members), torch.arange(1, width + 1))


@given(st.integers(1, 200), COUNTS, st.integers(1, 200), st.sampled_from([1, 2, 4, 8, 16]))
def test_every_member_is_rounded(width: int, counts: list[int], wanted: int, multiple: int) -> None:
    one = family(width, counts)
    kept = bounds([one], PruneConfig(round_to=multiple))["f"].nearest(min(wanted, width))
    assert min(wanted, width) <= kept <= width
    assert kept == width or all(kept * count % multiple == 0 for count in counts)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.floats(0.05, 0.95))
def test_allocation(widths: list[int], ratio: float) -> None:
    found = [Family(str(i), family(w, [1]).members, torch.arange(w)) for i, w in enumerate(widths)]
    dense = {f.name: f.width for f in found}
    scores = {f.name: torch.rand(f.width).double() for f in found}
    for scope in (local(found, dense), global_(found, scores, dense)):
        more, less = scope(ratio), scope(ratio / 2)
        assert all(0 <= more[f.name] <= less[f.name] <= f.width for f in found)
    total = sum(widths)
    assert sum(global_(found, scores, dense)(ratio).values()) == total - int(total * ratio + 1e-9)


@given(st.lists(st.integers(2, 12), min_size=2, max_size=4), st.sampled_from([2, 4, 8]))
def test_families_in_one_tensor_fit_together(widths: list[int], multiple: int) -> None:
    tensors = {"t": torch.zeros(sum(widths), 2)}
    found, start = [], 0
    for number, width in enumerate(widths):
        places = torch.arange(start, start + width).reshape(-1, 1)
        members = (Member("t", 0, places),)
        found.append(Family(str(number), members, places.flatten(), tensors=tensors))
        start += width
    together = Alignment(found, bounds(found, PruneConfig(round_to=multiple)), multiple)
    kept = together.widths({f.name: f.width - f.width // 2 for f in found})
    assert all(1 <= kept[f.name] <= f.width for f in found)
    assert sum(widths) < multiple or sum(kept.values()) % multiple == 0


@given(st.lists(st.integers(0, 300), min_size=1, unique=True))
def test_ranges_are_lossless(values: list[int]) -> None:
    assert numbers(ranges(torch.tensor(values))).tolist() == values


class Stack(nn.Module):
    """A random network: each step is one way to treat the channels there are."""

    def __init__(self, steps: list[str], width: int) -> None:
        super().__init__()
        self.steps, self.layers = steps, nn.ModuleList([unit(3, width)])
        for step in steps:
            extra = {"wide": unit(width, width * 2), "deep": unit(width, width, width)}
            self.layers.append(extra.get(step, conv(width, width)))
            width *= 2 if step in ("wide", "concat") else 1
        self.head = nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers[0](x)
        for step, layer in zip(self.steps, list(self.layers)[1:], strict=True):
            if step == "shuffle":
                x = shuffled(layer(x), 2)
            elif step == "residual":
                x = (x + layer(x)).relu()
            elif step == "concat":
                x = torch.cat([layer(x), x], 1)
            elif step == "gate":
                x = x * layer(x).mean((2, 3), keepdim=True).sigmoid()
            elif step == "split":
                first, second = layer(x).chunk(2, 1)
                x = torch.cat([second, first.relu()], 1)
            else:
                x = layer(x)
        return self.head(x.mean((2, 3)))


STEPS = st.sampled_from(["wide", "deep", "shuffle", "residual", "concat", "gate", "split"])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(STEPS, max_size=5),
    st.sampled_from([4, 8, 12]),
    st.sampled_from([0.3, 0.5, 0.8]),
    st.sampled_from([1, 4]),
)
def test_random_networks(steps: list[str], width: int, ratio: float, multiple: int) -> None:
    module = settle(Stack(steps, width))
    graph = capture(module, (3, 6, 6))
    try:
        pruned = prune_graph(graph, PruneConfig(ratio=ratio, round_to=multiple))
    except Refused:
        assert multiple > 1 or width * ratio < 2
        return
    check_against_hooks(module, pruned.plan, pruned.graph_module)
    again = named_tensors(apply(graph, json.loads(json.dumps(pruned.plan))))
    for name, tensor in named_tensors(pruned.graph_module).items():
        assert torch.equal(tensor, again[name])
