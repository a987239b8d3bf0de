"""What TensorFlow's quantizer would make of ranges as they are, and what it is given instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.convert.children.candidates import Workbench
from pipeline.convert.children.judge import answers
from tests.convert.test_integer_form import SHAPE, float_file

CASES: dict[str, Callable[[Any], Any]] = {
    "a maximum of what others read whole": lambda x: tf.maximum(x, tf.reverse(x, [1]) * 0.5),
    "a minimum, then clipped": lambda x: tf.nn.relu(tf.minimum(x, tf.reverse(x, [1]) * 0.5)),
    "a selection": lambda x: tf.where(x > 0, x, -x) * 3.0 + x * 0.5,
    "a gate on what is selected and read whole": lambda x: tf.nn.relu(
        tf.where(tf.reduce_mean(x, -1, keepdims=True) > 0, x, x * 0.5)
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_no_range_is_clipped_by_another_reader(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("float.tflite").write_bytes(float_file(CASES[name]))
    samples = np.random.default_rng(0).standard_normal((32, *SHAPE[1:])).astype(np.float32)
    bench = Workbench(Path("float.tflite"), samples)
    assert bench.candidate(name, "minmax", bench.tensorflow()).sqnr_db > 24


def test_a_tensor_that_is_always_zero_has_a_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    dead = lambda x: tf.nn.relu(x - tf.reduce_max(x, -1, keepdims=True)) + x  # noqa: E731
    Path("float.tflite").write_bytes(float_file(dead))
    samples = np.random.default_rng(0).standard_normal((8, *SHAPE[1:])).astype(np.float32)
    bench = Workbench(Path("float.tflite"), samples)
    one = bench.candidate("dead", "minmax", bench.tensorflow())
    assert one.sqnr_db > 24
    assert not one.audit.insane_scales
    assert answers(one.data, samples)


def test_what_is_scattered_stays_float(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtimes leave 0 where nothing was put, and 0 is seldom the int8 zero point."""

    def scattered(x: Any) -> Any:
        means = tf.reduce_mean(x, [0, 1, 2])
        place = tf.cast(tf.argmax(means), tf.int32)
        return x[:, :1, :1] * tf.scatter_nd([[place]], [means[0] * 3.0 + 1.0], [8])

    monkeypatch.chdir(tmp_path)
    Path("float.tflite").write_bytes(float_file(scattered))
    samples = np.random.default_rng(0).standard_normal((32, *SHAPE[1:])).astype(np.float32)
    bench = Workbench(Path("float.tflite"), samples)
    one = bench.candidate("scattered", "minmax", bench.tensorflow())
    assert set(one.audit.float_operators) == {"SCATTER_ND"}
    assert one.sqnr_db > 24
