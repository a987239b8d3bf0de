"""Functions of one int8 value as tables: exact, and loaded by every runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pipeline.board.runtimes import python_for
from pipeline.convert.children.candidates import Workbench
from pipeline.convert.flatbuffer import items, operator_name, read
from pipeline.convert.layout import sqnr_db
from pipeline.convert.tables import look_up
from pipeline.verify.runs import Job, evaluate
from tests.convert.test_integer_form import SHAPE, float_file

POSITIVE: Callable[[Any], Any] = lambda x: tf.nn.relu(x) + 0.3  # noqa: E731
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "SQRT": (lambda x: tf.sqrt(POSITIVE(x)), "SQRT"),
    "LOG": (lambda x: tf.math.log(POSITIVE(x)), "LOG"),
    "SIN": (tf.sin, "SIN"),
    "POW": (lambda x: tf.pow(POSITIVE(x), 2.5), "POW"),
    "one over": (lambda x: 1.0 / (tf.abs(x) + 1.0), "DIV"),
    "a quotient": (lambda x: x / (tf.abs(x) + 1.0), "DIV"),
    "two after another": (lambda x: tf.sin(tf.pow(POSITIVE(x), 0.3)), "SIN"),
}


def made(function: Callable[[Any], Any], samples: np.ndarray) -> Any:
    Path("float.tflite").write_bytes(float_file(function))
    bench = Workbench(Path("float.tflite"), samples)
    return bench.candidate("tensorflow minmax", "minmax", bench.tensorflow())


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_int8_throughout_and_runs_in_both_runtimes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    function, operator = FUNCTIONS[name]
    samples = np.random.default_rng(0).standard_normal((32, *SHAPE[1:])).astype(np.float32)
    one = made(function, samples)
    model = read(one.data)
    kinds = {operator_name(model, each) for each in items(model.subgraphs[0].operators)}
    assert operator not in kinds
    assert "GATHER" in kinds
    assert not one.audit.float_operators
    assert one.sqnr_db > 25
    Path("int8.tflite").write_bytes(one.data)
    np.save("samples.npy", samples)
    job = Job(name, tmp_path / "int8.tflite", tmp_path / "samples.npy")
    answers = {}
    for runtime in ("ai-edge-litert", "tflite-runtime"):
        done = evaluate(python_for(runtime), runtime, [job], tmp_path / runtime, 60)
        assert not done.failures
        (answers[runtime],) = done.outputs[name].values()
    assert sqnr_db(*answers.values()) > 30


def test_a_table_holds_the_nearest_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    samples = np.random.default_rng(0).standard_normal((32, *SHAPE[1:])).astype(np.float32)
    model = read(made(tf.sin, samples).data)
    graph = model.subgraphs[0]
    (gather,) = (o for o in graph.operators if operator_name(model, o) == "GATHER")
    (cast,) = (o for o in graph.operators if operator_name(model, o) == "CAST")
    source, target = graph.tensors[cast.inputs[0]], graph.tensors[gather.outputs[0]]
    table = np.asarray(model.buffers[graph.tensors[gather.inputs[0]].buffer].data).view(np.int8)
    given, out = source.quantization, target.quantization
    real = np.sin((np.arange(-128, 128) - given.zeroPoint[0]) * given.scale[0])
    error = np.abs((table.astype(float) - out.zeroPoint[0]) * out.scale[0] - real)
    inside = (table > -128) & (table < 127)
    assert error[inside].max() <= out.scale[0] / 2 * 1.001
    assert look_up(model) == 0


def test_a_function_of_two_tensors_has_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    samples = np.random.default_rng(0).standard_normal((8, *SHAPE[1:])).astype(np.float32)
    one = made(lambda x: tf.pow(POSITIVE(x), tf.reduce_mean(x, -1, keepdims=True)), samples)
    assert one.audit.float_operators == {"POW": 1}
