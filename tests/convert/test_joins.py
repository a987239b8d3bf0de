"""An output of boxes and scores: a small part keeps its own scale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from pipeline.convert.audit import audit
from pipeline.convert.children import integer, mixed
from pipeline.convert.children.judge import answers
from pipeline.convert.flatbuffer import read
from pipeline.convert.joins import UNLIKE, unlike_joins
from pipeline.convert.layout import sqnr_db

SHAPE = (1, 8, 8, 4)


def detector(size: float) -> bytes:
    """Two scales of 4 box coordinates up to `size` and 3 class scores, joined as YOLO does."""
    random = np.random.default_rng(0)
    boxes, scores = (
        random.standard_normal((1, 1, 4, n)).astype(np.float32) for n in (4, 3)
    )  # fmt: skip

    def call(x: Any) -> Any:
        levels = [x, tf.nn.avg_pool2d(x, 2, 2, "VALID")]
        rows = [
            tf.concat(
                [
                    tf.reshape(
                        tf.sigmoid(tf.nn.conv2d(each, boxes, 1, "VALID")) * size, [1, -1, 4]
                    ),
                    tf.reshape(tf.sigmoid(tf.nn.conv2d(each, scores, 1, "VALID")), [1, -1, 3]),
                ],
                -1,
            )
            for each in levels
        ]
        return tf.transpose(tf.concat(rows, 1), [0, 2, 1])

    module = tf.Module()
    module.call = tf.function(call, input_signature=[tf.TensorSpec(SHAPE, tf.float32, "x")])
    made = module.call.get_concrete_function()
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([made], module).convert())


@pytest.fixture
def quantized(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A function from a float file and a child to (file, what it said, samples)."""
    monkeypatch.chdir(tmp_path)

    def run(data: bytes, child: Any) -> tuple[Path, dict[str, Any], Any]:
        samples = np.random.default_rng(1).standard_normal((16, *SHAPE[1:])).astype(np.float32)
        np.save("samples.npy", samples)
        Path("float.tflite").write_bytes(data)
        said = child.main({
            "model": "float.tflite", "samples": "samples.npy", "out": "out.tflite",
            "calibration": "minmax", "budget_db": 15,
        })  # fmt: skip
        return tmp_path / "out.tflite", said, samples

    return run


@pytest.mark.parametrize("child", [integer, mixed])
def test_scores_beside_pixels_are_as_good_as_alone(quantized: Any, child: Any) -> None:
    data = detector(640)
    path, said, samples = quantized(data, child)
    assert said["unlike"] == 8  # three joins, the transpose and four reshapes
    (want,), (got,) = (list(answers(each, samples)[0].values()) for each in
                       (data, path.read_bytes()))  # fmt: skip
    boxes, scores = slice(0, 4), slice(4, 7)
    for part in (boxes, scores):
        assert sqnr_db(want[..., part, :], got[..., part, :]) > 30
    assert [port.dtype for port in audit(path).outputs] == ["float32"]


def test_parts_of_one_size_stay_int8(quantized: Any) -> None:
    path, said, _ = quantized(detector(2), integer)
    assert said["unlike"] == 0
    assert not audit(path).float_operators
    assert [port.dtype for port in audit(path).outputs] == ["int8"]


@given(st.floats(0.01, 1e6), st.floats(0.01, 1e6))
def test_only_their_ratio_counts(one: float, two: float) -> None:
    model = read(DETECTOR)
    tensors = range(len(model.subgraphs[0].tensors))
    names = [tensor.name.decode() for tensor in model.subgraphs[0].tensors]
    ranges = {i: (0.0, two if "Sigmoid" in names[i] else one) for i in tensors}
    found = unlike_joins(model, ranges)
    assert bool(found) == (max(one, two) > UNLIKE * min(one, two))


DETECTOR = detector(640)
