"""Passes over the torch graph for what a converter lowers badly; each keeps the outputs."""

from __future__ import annotations

from collections.abc import Callable

from torch.fx import GraphModule

from pipeline.convert.prepare.max_pool import unpad_max_pools

Pass = Callable[[GraphModule, tuple[int, ...]], int]
PASSES: tuple[Pass, ...] = (unpad_max_pools,)


def prepare(gm: GraphModule, input_shape: tuple[int, ...]) -> dict[str, int]:
    """Rewrite `gm` in place for an input of `(1, *input_shape)`; {pass: how often it applied}."""
    counts = {apply.__name__: apply(gm, input_shape) for apply in PASSES}
    gm.graph.lint()
    gm.recompile()
    return {name: count for name, count in counts.items() if count}
