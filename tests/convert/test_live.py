"""Which part of a tensor's values its readers can tell apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.convert.flatbuffer import items, read
from pipeline.convert.integer_form import integer_form
from pipeline.convert.live import LOGISTIC_END, live_ranges

INF = float("inf")
SHAPE = (1, 6, 5, 8)
CASES: dict[str, tuple[Callable[[Any], Any], tuple[float, float] | None]] = {
    "hard swish": (lambda x: x * tf.nn.relu6(x + 3.0) * (1 / 6), (-3, INF)),
    "swish": (lambda x: x * tf.sigmoid(x), (-LOGISTIC_END, INF)),
    "sigmoid": (tf.sigmoid, (-LOGISTIC_END, LOGISTIC_END)),
    "tanh of x times x": (lambda x: x * tf.tanh(x), None),  # tanh is -1 there, not 0
    "sigmoid and a skip": (lambda x: tf.sigmoid(x) + x, None),
    "hard sigmoid, moved": (
        lambda x: (
            tf.nn.relu6(tf.transpose(tf.nn.space_to_depth(x[:, :, :4], 2), [0, 2, 1, 3]) + 3.0)
            * (1 / 6)
        ),
        (-3, 3),
    ),
    "a positive part, read twice": (lambda x: tf.nn.relu(x) + x, None),
    "another's gate": (lambda x: tf.sigmoid(x * 2.0) * x, None),
}


def found(function: Callable[[Any], Any]) -> list[tuple[float, float]]:
    """Of the convolution's output."""
    weights = np.random.default_rng(0).standard_normal((1, 1, 8, 8)).astype(np.float32)

    def call(x: Any) -> Any:
        return function(tf.nn.conv2d(x, weights, 1, "VALID"))

    module = tf.Module()
    module.call = tf.function(call, input_signature=[tf.TensorSpec(SHAPE, tf.float32, "x")])
    made = module.call.get_concrete_function()
    model = read(tf.lite.TFLiteConverter.from_concrete_functions([made], module).convert())
    integer_form(model)
    (first, *_) = model.subgraphs[0].operators
    return [ends for i, ends in live_ranges(model).items() if i in items(first.outputs)]


@pytest.mark.parametrize("name", CASES)
def test_what_is_live_of_a_layer_in_front_of(name: str) -> None:
    function, want = CASES[name]
    ends = found(function)
    assert ends == ([] if want is None else [pytest.approx(want)])


def test_nothing_beyond_it_changes_an_int8_sigmoid() -> None:
    beyond = np.array([-40, -LOGISTIC_END - 1e-6, LOGISTIC_END + 1e-6, 40])
    steps = np.round(256 / (1 + np.exp(-beyond))).clip(0, 255)
    assert list(steps) == [0, 0, 255, 255]
