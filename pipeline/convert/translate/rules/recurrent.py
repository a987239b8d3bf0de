"""Recurrent layers, unrolled: the input's product for all steps at once, then step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from pipeline.convert.translate.node import Node, rule
from pipeline.convert.translate.rules.linear import contracted
from pipeline.convert.translate.rules.select import joined
from pipeline.convert.translate.strides import Layout
from pipeline.convert.translate.value import Value, plain, shaped

Step = Callable[[Any, Sequence[Any]], Sequence[Any]]


@rule("LSTM", "GRU", "RNN")
def recurrent(node: Node) -> Sequence[Value]:
    """X (T, N, I), W, R, B, lengths, first states to Y (T, D, N, H) and the last states."""
    value, weights = node.value(), [node.constant(1), node.constant(2)]
    hidden, states = node.get("hidden_size"), 2 if node.op == "LSTM" else 1
    if node.get("layout") or node.get("activations") or node.get("clip"):
        expected = {
            "LSTM": ["Sigmoid", "Tanh", "Tanh"],
            "GRU": ["Sigmoid", "Tanh"],
            "RNN": ["Tanh"],
        }
        given = node.get("activations") or expected[node.op]
        if (
            node.get("layout")
            or node.get("clip")
            or given[: len(expected[node.op])] != expected[node.op]
        ):
            raise node.refuse("with a layout, clip or activations of its own")
    if weights[1].shape[1:] != (GATES[node.op] * hidden, hidden):
        raise node.refuse("with projected states, which ONNX has no form for")
    if node.optional(4) is not None and set(node.constant(4).tolist()) != {value.shape[0]}:
        raise node.refuse("over sequences of several lengths")
    bias = node.constant(3) if node.optional(3) is not None else None
    directions = len(weights[0])
    made, lasts = [], []
    for number in range(directions):
        backward = number == 1 or node.get("direction") == "reverse"
        own = None if bias is None else bias[number]
        first = [_first(node, 5 + i, number, value.shape[1], hidden) for i in range(states)]
        outputs, last = _direction(
            node, value, weights[0][number], weights[1][number], own, first, backward
        )
        made.append(outputs)
        lasts.append(last)
    whole = joined(made, 1)
    return [whole, *(joined([last[i] for last in lasts], 0) for i in range(states))]


def _first(node: Node, index: int, direction: int, batch: int, hidden: int) -> Any:
    given = node.optional(index)
    if given is None:
        return np.zeros((batch, hidden), np.float32)
    tensor = shaped(plain(given).tensor, given.shape)
    return tensor[direction]


def _direction(
    node: Node, value: Value, w: np.ndarray, r: np.ndarray, bias: np.ndarray | None,
    states: Sequence[Any], backward: bool,
) -> tuple[Value, list[Value]]:  # fmt: skip
    steps, batch, _ = value.shape
    hidden = r.shape[1]
    both = np.zeros(2 * len(w), np.float32) if bias is None else bias
    into, back = np.split(both, 2)
    late = node.op == "GRU" and node.get("linear_before_reset", 0)
    start = into + back
    if node.op == "GRU":
        start[2 * hidden :] = into[2 * hidden :] + (0 if late else back[2 * hidden :])
    x = plain(contracted(value, 2, w.T, start))
    parts = tf.unstack(shaped(x.tensor, [steps, batch, len(w)]), axis=0)
    step: Step = _STEPS[node.op](r.T.astype(np.float32), back, bool(late))
    outputs: list[Any] = []
    for part in reversed(parts) if backward else parts:
        states = step(part, states)
        outputs.append(states[0])
    if backward:
        outputs.reverse()
    stacked = tf.concat([tf.reshape(y, [1, 1, batch, hidden]) for y in outputs], 0)
    lasts = [Value(s, Layout.plain((1, batch, hidden))) for s in states]
    return Value(stacked, Layout.plain((steps, 1, batch, hidden))), lasts


def _lstm(r: np.ndarray, _back: np.ndarray, _late: bool) -> Step:
    def step(x: Any, states: Sequence[Any]) -> Sequence[Any]:
        h, c = states
        i, o, f, g = tf.split(x + tf.matmul(h, r), 4, -1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        return tf.sigmoid(o) * tf.tanh(c), c

    return step


def _gru(r: np.ndarray, back: np.ndarray, late: bool) -> Step:
    hidden = r.shape[0]
    gates, candidate, shift = r[:, : 2 * hidden], r[:, 2 * hidden :], back[2 * hidden :]

    def step(x: Any, states: Sequence[Any]) -> Sequence[Any]:
        (h,) = states
        both, own = x[:, : 2 * hidden], x[:, 2 * hidden :]
        z, reset = tf.split(tf.sigmoid(both + tf.matmul(h, gates)), 2, -1)
        if late:
            inner = own + reset * (tf.matmul(h, candidate) + shift)
        else:
            inner = own + tf.matmul(reset * h, candidate)
        new = tf.tanh(inner)
        return (new + z * (h - new),)

    return step


def _rnn(r: np.ndarray, _back: np.ndarray, _late: bool) -> Step:
    def step(x: Any, states: Sequence[Any]) -> Sequence[Any]:
        return (tf.tanh(x + tf.matmul(states[0], r)),)

    return step


GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
_STEPS: dict[str, Callable[[np.ndarray, np.ndarray, bool], Step]] = {
    "LSTM": _lstm, "GRU": _gru, "RNN": _rnn,
}  # fmt: skip
