"""Operators without an int8 kernel, written with those that have one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from pipeline.convert.audit import audit
from pipeline.convert.children.integer import main as quantize
from pipeline.convert.flatbuffer import items, operator_name, pack, read
from pipeline.convert.integer_form import integer_form

SHAPE = (1, 6, 5, 8)
EACH = np.linspace(-2, 1, 8, dtype=np.float32)
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "NEG": tf.negative,
    "SQUARE": tf.square,
    "ELU": tf.nn.elu,
    "SQUARED_DIFFERENCE": lambda x: tf.math.squared_difference(
        x, tf.reduce_mean(x, -1, keepdims=True)
    ),
    "HARD_SWISH": lambda x: x * tf.nn.relu6(x + 3.0) * (1 / 6),
    "SPLIT": lambda x: tf.split(x, 4, -1)[2] + 1.0,
    "AVERAGE_POOL_2D": lambda x: tf.nn.avg_pool2d(x, (3, 2), 2, "VALID"),
    "RELU": lambda x: tf.nn.relu(x) + x,
    "RELU6": lambda x: tf.nn.relu6(4.0 * x) + 4.0 * x,
    "ADD": lambda x: tf.nn.relu(tf.tanh(x) * EACH + EACH[::-1]),
    "REVERSE_V2": lambda x: tf.maximum(x, 0.5 * tf.reverse(x, [1, 2])),
}


def float_file(function: Callable[[Any], Any]) -> bytes:
    """A convolution, the function, and a convolution."""
    weights = np.random.default_rng(0).standard_normal((1, 1, 8, 8)).astype(np.float32) / 3

    def call(x: Any) -> Any:
        x = function(tf.nn.conv2d(x, weights, 1, "VALID"))
        return tf.nn.conv2d(x, weights[:, :, : x.shape[-1]], 1, "VALID")

    module = tf.Module()
    module.call = tf.function(call, input_signature=[tf.TensorSpec(SHAPE, tf.float32, "x")])
    made = module.call.get_concrete_function()
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([made], module).convert())


def answer(data: bytes, x: np.ndarray) -> np.ndarray:
    model = Interpreter(model_content=data, num_threads=1)
    model.allocate_tensors()
    model.set_tensor(model.get_input_details()[0]["index"], x)
    model.invoke()
    return model.get_tensor(model.get_output_details()[0]["index"])


def kinds(model: Any) -> set[str]:
    return {operator_name(model, one) for one in items(model.subgraphs[0].operators)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_function_without_the_operator(name: str) -> None:
    data = float_file(FUNCTIONS[name])
    model = read(data)
    assert name in kinds(model)
    assert integer_form(model) == 1
    assert name not in kinds(model)
    assert integer_form(model) == 0
    x = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    np.testing.assert_allclose(answer(pack(model), x), answer(data, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_quantizes_throughout(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the child's own folder
    (tmp_path / "float.tflite").write_bytes(float_file(FUNCTIONS[name]))
    samples = np.random.default_rng(2).standard_normal((16, *SHAPE[1:])).astype(np.float32)
    np.save(tmp_path / "samples.npy", samples)
    out = tmp_path / "int8.tflite"
    said = quantize({
        "model": tmp_path / "float.tflite", "samples": tmp_path / "samples.npy",
        "calibration": "minmax", "out": out,
    })  # fmt: skip
    assert not audit(out).float_operators
    assert said["tried"][0]["sqnr_db"] > 15


@pytest.mark.parametrize("shape", [(30, 8), (1, 30, 8)])
def test_a_factor_and_a_summand_a_channel_are_one_operator_of_rows_too(
    shape: tuple[int, ...],
) -> None:
    def norm(x: Any) -> Any:
        return tf.reshape(tf.tanh(tf.reshape(x, shape)) * EACH + EACH[::-1], SHAPE)

    data = float_file(norm)
    model = read(data)
    assert integer_form(model) == 1
    assert not {"MUL", "ADD"} & kinds(model)
    x = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    np.testing.assert_allclose(answer(pack(model), x), answer(data, x), rtol=1e-4, atol=1e-5)


def test_a_summand_too_large_for_the_weight_of_its_channel_stays_one() -> None:
    small = np.where(np.arange(8) == 3, 1e-5, EACH).astype(np.float32)
    model = read(float_file(lambda x: tf.tanh(x) * small + EACH[::-1]))
    assert integer_form(model) == 0


def test_a_clipped_value_that_nobody_else_reads_stays_as_it_is() -> None:
    model = read(float_file(lambda x: tf.nn.relu(tf.tile(x, [1, 2, 1, 1]))))
    assert "RELU" in kinds(model)
    assert integer_form(model) == 0
