"""A user's ONNX and .tflite files enter the same export as a torch model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from pipeline.convert import foreign
from pipeline.convert.export import _converted, from_onnx
from pipeline.convert.layout import sqnr_db
from pipeline.convert.stage import ExportConfig, export
from pipeline.errors import Refused, UsageError
from pipeline.inputs.ports import Ports
from tests.convert.chains import chain, workdir
from tests.convert.onnx_nodes import model


def declare(made: onnx.ModelProto, like: np.ndarray) -> None:
    """Say of the output what a user's file says of it."""
    info = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, like.shape)
    made.graph.output[0].CopyFrom(info)


def test_the_exported_onnx_gives_the_torch_models_own_file(tmp_path: Path) -> None:
    made = chain("sound").exported
    taken = foreign.adopt(made.file("model.onnx"), None, workdir(tmp_path / "a"))
    assert taken.meta["input"] == [4, 32]
    again = export(taken, cfg=ExportConfig(), work=workdir(tmp_path / "b"))
    assert again.file("float.tflite").read_bytes() == made.file("float.tflite").read_bytes()
    assert again.meta["layout"] == made.meta["layout"]


def test_a_float_tflite_is_taken_as_it_is(tmp_path: Path) -> None:
    made = chain("sound")
    path = made.exported.file("float.tflite")
    taken = foreign.adopt(path, None, workdir(tmp_path / "a"))
    again = export(taken, cfg=ExportConfig(), work=workdir(tmp_path / "b"))
    assert again.file("float.tflite").read_bytes() == path.read_bytes()
    x = made.data.inputs("validation")[:4]
    (want,) = foreign.outputs(foreign.adopt(made.exported.file("model.onnx"), None,
                                            workdir(tmp_path / "c")), x)  # fmt: skip
    (got,) = foreign.outputs(taken, x.transpose(made.exported.meta["layout"]["input"]))
    assert sqnr_db(want, got) > 90


def test_an_open_shape_needs_input(tmp_path: Path) -> None:
    x = np.zeros((1, 3, 8, 8), np.float32)
    made = model([helper.make_node("Relu", ["x"], ["y"])], {"x": x}, {})
    declare(made, x)
    dims = made.graph.input[0].type.tensor_type.shape.dim
    dims[0].dim_param, dims[2].dim_param = "batch", "height"
    path = tmp_path / "open.onnx"
    onnx.save(made, path)
    with pytest.raises(UsageError, match="shape of its input open") as caught:
        foreign.adopt(path, None, workdir(tmp_path / "a"))
    assert "--input" in caught.value.fix
    taken = foreign.adopt(path, Ports.of([3, 8, 8]), workdir(tmp_path / "b"))
    assert foreign.outputs(taken, x)[0].shape == (1, 3, 8, 8)
    with pytest.raises(UsageError, match="--input says"):
        foreign.adopt(path, Ports.of([4, 8, 8]), workdir(tmp_path / "c"))


def test_what_is_quantized_or_broken_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="quantized already"):
        foreign.adopt(chain("sound").deployable.file("model.tflite"), None, workdir(tmp_path / "a"))
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(UsageError, match="no valid ONNX model"):
        foreign.adopt(path, None, workdir(tmp_path / "b"))


def test_what_our_rules_lack_goes_by_way_of_onnx2tf(tmp_path: Path) -> None:
    x = np.zeros((1, 4, 6, 6), np.float32)
    nodes = [
        helper.make_node("ThresholdedRelu", ["x"], ["s"], alpha=0.5),
        helper.make_node("Relu", ["s"], ["y"]),
    ]
    made = model(nodes, {"x": x}, {})
    declare(made, x)
    path = tmp_path / "sums.onnx"
    onnx.save(made, path)
    taken = foreign.adopt(path, None, workdir(tmp_path / "a"))
    exported = export(taken, cfg=ExportConfig(), work=workdir(tmp_path / "b"))
    assert exported.meta["way"] == "onnx2tf"
    assert sorted(p.name for p in exported.path.iterdir()) == [
        "float.tflite",
        "manifest.json",
        "model.onnx",
    ]


def test_what_onnx2tf_gets_wrong_is_refused(tmp_path: Path) -> None:
    x = np.zeros((1, 4, 6, 6), np.float32)
    node = helper.make_node("CumSum", ["x", "axis"], ["y"])
    made = model([node], {"x": x}, {"axis": np.array(1)})
    declare(made, x)
    path = tmp_path / "sums.onnx"
    onnx.save(made, path)
    source = from_onnx(foreign.adopt(path, None, workdir(tmp_path / "a")))
    with pytest.raises(Refused, match="no output of the file agrees"):
        _converted(source, "second", 300, tmp_path)


def test_what_nobody_can_convert_is_refused_with_our_own_reason(tmp_path: Path) -> None:
    x = np.zeros((1, 4, 6, 6), np.float32)
    made = model([helper.make_node("Det", ["x"], ["y"])], {"x": x}, {})
    declare(made, x)
    path = tmp_path / "det.onnx"
    onnx.save(made, path)
    taken = foreign.adopt(path, None, workdir(tmp_path / "a"))
    with pytest.raises(Refused, match="operator Det"):
        export(taken, cfg=ExportConfig(), work=workdir(tmp_path / "b"))
