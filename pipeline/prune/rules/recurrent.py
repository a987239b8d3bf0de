"""Recurrent layers: what they read may be pruned, and the width of their own state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, fx

from pipeline.prune.labels import along
from pipeline.prune.rules import name_of, rule, unknown
from pipeline.prune.rules.contraction import is_stored

if TYPE_CHECKING:
    from pipeline.prune.trace import Trace

_GATES = {"gru": 3, "lstm": 4, "rnn_tanh": 1, "rnn_relu": 1}


@rule("gru", "lstm", "rnn_tanh", "rnn_relu")
def recurrent(trace: Trace, node: fx.Node) -> Any:
    """x (..., inputs); a layer has weights (gates * hidden, inputs) and (gates * hidden, hidden).

    torch has one hidden width for all layers and directions, so their units are tied. A unit whose
    weights are zero starts at zero and stays there.
    """
    weights: Any = node.args[2] if len(node.args) > 2 else None
    if not isinstance(weights, list | tuple) or not all(is_stored(w) for w in weights):
        return unknown(trace, node)
    x = trace.of(node.args[0])
    inputs = trace.labels.vector(x, x.dim() - 1)
    if inputs is None:
        trace.freeze(x, node, "the channels lie on an axis it steps over")
        inputs = trace.labels.vector(x, x.dim() - 1)
        assert inputs is not None
    layers, directions = int(node.args[4]), 2 if node.args[7] else 1  # type: ignore[arg-type]
    each = len(weights) // (layers * directions)
    state = trace.weight(weights[1], 1)
    projects = each % 2 == 1  # (.., hidden) weights of a projection come last
    units = trace.weight(weights[each - 1], 1) if projects else state
    for number in range(layers * directions):
        source = inputs if number < directions else state.repeat(directions)
        layer = list(weights[number * each : (number + 1) * each])
        if projects:
            trace.labels.union(trace.weight(layer[-1], 0), state)
            trace.labels.union(trace.weight(layer.pop(), 1), units)
        tie_layer(trace, layer, source, state, name_of(node), units)
    tie_state(trace, node, state, units)
    first, *states = trace.shape(node)
    y = along(state.repeat(directions), first, len(first) - 1)
    ends = zip(states, (state, units), strict=False)
    return [trace.settled(y, node, 0), *(along(vector, s, len(s) - 1) for s, vector in ends)]


def tie_layer(
    trace: Trace, weights: Sequence[Any], source: Tensor, hidden: Tensor, kind: str,
    units: Tensor | None = None,
) -> None:  # fmt: skip
    """One layer's weights (input, hidden, biases): each gate has the hidden units.

    The `units` are those of the gates where the state is a projection of them.
    """
    gates = (hidden if units is None else units).repeat(_GATES[kind])
    trace.labels.union(trace.weight(weights[0], 0), gates)
    trace.labels.union(trace.weight(weights[1], 0), gates)
    trace.labels.union(trace.weight(weights[0], 1), source)
    trace.labels.union(trace.weight(weights[1], 1), hidden)
    for bias in weights[2:]:
        trace.labels.union(trace.of(bias), gates)


def tie_state(trace: Trace, node: fx.Node, hidden: Tensor, units: Tensor | None = None) -> None:
    """The states it starts from have the hidden units, the second of a projecting LSTM all."""
    given: Any = node.args[1]
    states = given if isinstance(given, list | tuple) else [given]
    for state, vector in zip(states, (hidden, hidden if units is None else units), strict=False):
        found = trace.labels.vector(trace.of(state), len(trace.shape(state)) - 1)
        if found is None or len(found) != len(vector):
            trace.freeze(vector, node, "starts from a state of another shape")
        else:
            trace.tie(vector, found, node)
