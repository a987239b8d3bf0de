"""A graph made ready for labels: the same function, in a form whose channels can go."""

from __future__ import annotations

from torch import fx

from pipeline.prune.fold import fold
from pipeline.prune.shuffles import untie
from pipeline.prune.slides import spread
from pipeline.prune.tables import tabulate


def prunable(graph_module: fx.GraphModule, multiple: int = 1) -> fx.GraphModule:
    """Weights and tables stored, channels under sliding kernels picked, shuffles untied.

    A graph that needs none of it is given back. Families are those of the graph made here.
    """
    return untie(spread(tabulate(fold(graph_module))), multiple)
