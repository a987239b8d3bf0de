"""Multiply-accumulates of files, against the converter's own layers and by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.convert.macs import Macs, count
from pipeline.errors import UsageError
from tests.agent.conftest import models  # noqa: F401 (a fixture)

CONV = 5 * 5 * 8 * 3 * 3 * 1  # output places, filters, window, channels
DENSE = 8 * 4


def test_a_convolution_and_a_dense_layer_are_counted_by_what_their_weights_are(
    models: Path,  # noqa: F811
) -> None:
    assert count(models / "int8.tflite") == Macs(integer=CONV + DENSE, floating=0)
    assert count(models / "float.tflite") == Macs(integer=0, floating=CONV + DENSE)
    assert count(models / "two.tflite").total == 0


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(b"no model")
    with pytest.raises(UsageError, match="TFL3"):
        count(tmp_path / "x.tflite")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, int]]:
    """{operator: (file, multiply-accumulates by hand)}, made by TensorFlow."""
    import numpy as np
    import tensorflow as tf

    folder = tmp_path_factory.mktemp("macs")
    chance = np.random.default_rng(0)

    def weights(*shape: int) -> tf.Tensor:
        return tf.constant(chance.standard_normal(shape), tf.float32)

    def file(name: str, function, *shapes: list[int]) -> Path:
        specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
        made = tf.function(function, input_signature=specs).get_concrete_function()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([made])
        path = folder / f"{name}.tflite"
        path.write_bytes(converter.convert())
        return path

    k_depth, k_up, k_3d = weights(3, 3, 6, 1), weights(2, 2, 5, 6), weights(2, 3, 3, 4, 7)
    return {
        "depthwise": (
            file("depthwise", lambda x: tf.nn.depthwise_conv2d(x, k_depth, [1] * 4, "SAME"),
                 [1, 8, 8, 6]),
            8 * 8 * 6 * 9,
        ),
        "transposed": (
            file("transposed", lambda x: tf.nn.conv2d_transpose(x, k_up, [1, 8, 8, 5], 2),
                 [1, 4, 4, 6]),
            4 * 4 * 6 * 2 * 2 * 5,
        ),
        "matmul": (
            file("matmul", lambda a, b: tf.matmul(a, b, transpose_b=True),
                 [2, 3, 5, 7], [2, 3, 4, 7]),
            2 * 3 * 5 * 4 * 7,
        ),
        "conv3d": (
            file("conv3d", lambda x: tf.nn.conv3d(x, k_3d, [1] * 5, "SAME"), [1, 4, 6, 6, 4]),
            4 * 6 * 6 * 7 * 2 * 3 * 3 * 4,
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["depthwise", "transposed", "matmul", "conv3d"])
def test_other_operators_are_counted(written: dict[str, tuple[Path, int]], name: str) -> None:
    path, by_hand = written[name]
    assert count(path) == Macs(integer=0, floating=by_hand)
