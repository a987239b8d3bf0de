"""A grouped convolution is one operator, or one a group for a runtime that is slow at that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper
from torch.nn import functional

from pipeline.board.runtimes import python_for
from pipeline.convert.children.candidates import Workbench
from pipeline.convert.children.savedmodel import main as lower
from pipeline.convert.layout import sqnr_db
from pipeline.verify.runs import Job, evaluate
from tests.convert.onnx_nodes import model

RNG = np.random.default_rng(0)
CASES: list[dict[str, Any]] = [
    {"group": 4, "pads": [1, 1, 1, 1]},
    {"group": 2, "strides": [2, 2], "pads": [1, 1, 1, 1]},
    {"group": 8, "dilations": [2, 2]},
]


@pytest.mark.parametrize("attributes", CASES)
def test_one_operator_in_float_and_int8(
    attributes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = RNG.standard_normal((24, 16 // attributes["group"], 3, 3)).astype(np.float32) / 4
    bias = RNG.standard_normal(24).astype(np.float32)
    x = RNG.standard_normal((16, 16, 9, 9)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["input", "w", "b"], ["c"], **attributes),
        helper.make_node("Relu", ["c"], ["y"]),
    ]
    made = model(nodes, {"input": x[:1]}, {"w": weights, "b": bias})
    Path("model.onnx").write_bytes(made.SerializeToString())
    np.save("probe.npy", x[:1])
    lower({
        "onnx": "model.onnx", "sources": {}, "probe": "probe.npy", "out": ".",
        "inputs": [{"name": "input", "shape": [1, *x.shape[1:]], "dtype": "float32"}],
    })  # fmt: skip
    pads, stride = attributes.get("pads", [0])[0], attributes.get("strides", [1])[0]
    want = functional.conv2d(
        torch.from_numpy(x), torch.from_numpy(weights), torch.from_numpy(bias), stride, pads,
        attributes.get("dilations", [1])[0], attributes["group"],
    ).relu()  # fmt: skip
    bench = Workbench(tmp_path / "float.tflite", x.transpose(0, 2, 3, 1))
    one = bench.candidate("tensorflow minmax", "minmax", bench.tensorflow())
    assert one.audit.operators == {"CONV_2D": 1}
    assert one.figures["partitions"] == 1
    Path("int8.tflite").write_bytes(one.data)
    bench = Workbench(tmp_path / "float.tflite", x.transpose(0, 2, 3, 1), "tflite-runtime")
    one = bench.candidate("tensorflow minmax", "minmax", bench.tensorflow())
    groups = attributes["group"]
    assert one.audit.operators == {"CONCATENATION": 1, "CONV_2D": groups, "SLICE": groups}
    Path("split.tflite").write_bytes(one.data)
    np.save("samples.npy", x.transpose(0, 2, 3, 1))
    for runtime in ("ai-edge-litert", "tflite-runtime"):
        for name, least_db in (("float", 100), ("int8", 35), ("split", 35)):
            job = Job(name, tmp_path / f"{name}.tflite", tmp_path / "samples.npy")
            done = evaluate(python_for(runtime), runtime, [job], tmp_path / runtime, 60)
            assert not done.failures
            (got,) = done.outputs[name].values()
            assert (
                sqnr_db(want.permute(0, 2, 3, 1).numpy(), got.reshape(16, *got.shape[-3:]))
                > least_db
            )
