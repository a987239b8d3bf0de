"""Tensors made in `forward`: of one number, in a given size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch import fx

from pipeline.prune.labels import along, fixed
from pipeline.prune.rules import rule

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace

LARGEST_MADE = 1 << 16
"""Elements without the batch; what is larger and of unknown axes is held fixed."""


@rule("zeros", "ones", "full", "new_zeros", "new_ones", "new_full")
def made(trace: Trace, node: fx.Node) -> Any:
    """It takes the channels of what it meets (the first state of a loop, a canvas written to).

    On the second of more than three axes; else on the one that its first partner has them on.
    """
    shape = trace.shape(node)
    moving = trace.batch_axes(node)
    sizes = [1 if axis in moving else size for axis, size in enumerate(shape)]
    if len(shape) > 3:
        return along(trace.labels.fresh(shape[1]), shape, 1)
    if not 1 < math.prod(sizes) <= LARGEST_MADE:
        return fixed(shape)
    return trace.labels.fresh(math.prod(sizes)).view(sizes).expand(shape)


@rule("rand_like", "randn_like", "randint_like", "bernoulli", "normal", "poisson", "multinomial")
def drawn(trace: Trace, node: fx.Node) -> Any:
    """Random numbers in as many places as its argument has: in fewer there would be others."""
    for arg in node.all_input_nodes:
        trace.freeze(trace.of(arg), node, "draws random numbers")
    return trace.constant(node)
