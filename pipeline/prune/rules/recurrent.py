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
    hidden = trace.weight(weights[1], 1)
    if each not in (2, 4):
        return _projected(trace, node, weights, inputs, directions, each)
    for number in range(layers * directions):
        source = inputs if number < directions else hidden.repeat(directions)
        layer = weights[number * each : (number + 1) * each]
        tie_layer(trace, layer, source, hidden, name_of(node))
    tie_state(trace, node, hidden)
    first, *states = trace.shape(node)
    y = along(hidden.repeat(directions), first, len(first) - 1)
    return [trace.settled(y, node, 0), *(along(hidden, s, len(s) - 1) for s in states)]


def tie_layer(
    trace: Trace, weights: Sequence[Any], source: Tensor, hidden: Tensor, kind: str
) -> None:
    """One layer's weights (input, hidden, biases): each gate has the hidden units."""
    gates = hidden.repeat(_GATES[kind])
    trace.labels.union(trace.weight(weights[0], 0), gates)
    trace.labels.union(trace.weight(weights[1], 0), gates)
    trace.labels.union(trace.weight(weights[0], 1), source)
    trace.labels.union(trace.weight(weights[1], 1), hidden)
    for bias in weights[2:]:
        trace.labels.union(trace.of(bias), gates)


def _projected(
    trace: Trace, node: fx.Node, weights: Any, inputs: Tensor, directions: int, each: int
) -> Any:
    """An LSTM whose state is projected has two widths: only what it reads may go."""
    readers = [weights[number * each] for number in range(directions)]
    for weight in weights:
        for axis in range(trace.tensor(weight).dim()):
            if weight in readers and axis == 1:
                trace.labels.union(trace.weight(weight, 1), inputs)
            else:
                trace.freeze(trace.weight(weight, axis), node, "projects its state")
    return trace.constant(node)


def tie_state(trace: Trace, node: fx.Node, hidden: Tensor) -> None:
    """The state it starts from has the hidden units; one made of zeros gets their number."""
    given: Any = node.args[1]
    for state in given if isinstance(given, list | tuple) else [given]:
        shape = trace.shape(state)
        made = name_of(state) in ("zeros", "new_zeros") if state.op == "call_function" else False
        if made and set(state.users) == {node} and shape[-1] == len(hidden):
            trace.values[state.name] = along(hidden, shape, len(shape) - 1)
            continue
        vector = trace.labels.vector(trace.of(state), len(shape) - 1)
        if vector is None or len(vector) != len(hidden):
            trace.freeze(hidden, node, "starts from a state of another shape")
        else:
            trace.labels.union(vector, hidden)
