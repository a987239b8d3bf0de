"""Recurrent cells, one step at a time: what a loop in `forward` unrolls to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import fx

from pipeline.prune.labels import along
from pipeline.prune.rules import name_of, rule, unknown
from pipeline.prune.rules.contraction import is_stored
from pipeline.prune.rules.recurrent import tie_layer, tie_state

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace


@rule("gru_cell", "lstm_cell", "rnn_tanh_cell", "rnn_relu_cell")
def cell(trace: Trace, node: fx.Node) -> Any:
    """x (n, inputs), state (n, hidden); weights (gates * hidden, inputs) and (.., hidden)."""
    weights = [arg for arg in node.args[2:6] if arg is not None]
    if not all(is_stored(weight) for weight in weights):
        return unknown(trace, node)
    x = trace.of(node.args[0])
    inputs = trace.labels.vector(x, 1)
    assert inputs is not None  # axis 0 is the batch
    hidden = trace.weight(weights[1], 1)
    tie_layer(trace, weights, inputs, hidden, name_of(node).removesuffix("_cell"))
    tie_state(trace, node, hidden)
    shape: Any = trace.shape(node)
    if hasattr(shape, "numel"):
        return trace.settled(along(hidden, shape, 1), node)
    return [trace.settled(along(hidden, one, 1), node, place) for place, one in enumerate(shape)]
