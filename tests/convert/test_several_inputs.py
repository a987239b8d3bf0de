"""Models of several inputs and of integers: from torch, ONNX and TFLite, in both runtimes."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from pipeline.artifacts import Deployable, Exported, Model
from pipeline.board import runtimes
from pipeline.convert import foreign
from pipeline.convert.audit import audit
from pipeline.convert.layout import arranged, given, match_outputs, sqnr_db
from pipeline.convert.onnx_file import input_names
from pipeline.convert.stage import ConvertConfig, ExportConfig, convert, export
from pipeline.data.samples import Samples
from pipeline.errors import Refused, UsageError
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import Ports, parse
from pipeline.models.factory import build
from pipeline.models.graph import capture
from pipeline.prune.checkpoint import load, save
from pipeline.quantize.stage import QuantizeConfig, quantize
from pipeline.verify import reference
from pipeline.verify.runs import Job, evaluate
from tests.convert.chains import DIGEST, workdir
from tests.inputs import networks

RUNTIMES = ("ai-edge-litert", "tflite-runtime")
LEAST_DB = {"fused": 30, "encoder": 20, "padded": 20, "streaming": 20, "onnx": 30, "tflite": 30}


@functools.cache
def folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="secateur-several-"))


@functools.cache
def exported(name: str) -> tuple[Model, Exported]:
    source = {"factory": f"tests.inputs.networks:{name}", "args": {}, "digest": DIGEST, "seed": 0}
    graph = capture(build(source).eval(), networks.ports(name))
    model = save(workdir(folder() / name / "model"), graph, source=source, classes=None)
    return model, export(model, cfg=ExportConfig(), work=workdir(folder() / name / "export"))


def int8(model: Model, made: Exported, x: Batch, place: Path) -> Deployable:
    cfg = QuantizeConfig(samples=len(x))
    spec = quantize(model, data=Samples(x), cfg=cfg, work=workdir(place / "spec"))
    return convert(spec, exported=made, cfg=ConvertConfig(), work=workdir(place / "int8"))


def figures(model: Model, made: Deployable, x: Batch, place: Path) -> dict[tuple[str, str], float]:
    """{(runtime, file): dB of the worst output against the original}."""
    want = reference.outputs(model, x)
    samples = arranged(x, made.meta["layout"]).save(place / "x")
    jobs = [Job(n, made.file(f"{n}.tflite"), samples) for n in ("float", "model")]
    found = {}
    for runtime in RUNTIMES:
        try:
            python = runtimes.python_for(runtime)
        except Refused:
            continue
        done = evaluate(python, runtime, jobs, place / runtime, 300)
        assert not done.failures
        for name, outputs in done.outputs.items():
            got = [
                outputs[o["name"]].transpose(o["to_torch"]) for o in made.meta["layout"]["outputs"]
            ]
            found[runtime, name] = min(map(sqnr_db, want, got))
    return found


@pytest.mark.parametrize("name", sorted(networks.INPUTS))
def test_float_and_int8_files_answer_as_torch_does_in_both_runtimes(
    name: str, tmp_path: Path
) -> None:
    model, made = exported(name)
    file = int8(model, made, networks.samples(name, 48), tmp_path)
    found = figures(model, file, networks.samples(name, 16, seed=1), tmp_path)
    for (_, kind), quality_db in found.items():
        assert quality_db > (90 if kind == "float" else LEAST_DB[name]), found
    whole = audit(file.file("model.tflite"))
    assert set(whole.float_operators) <= {"CAST"}  # of an integer that becomes a number
    held = {port.name: port for port in whole.inputs}
    for port, (own, _) in zip(networks.ports(name), given(made.meta["layout"]), strict=True):
        assert own == port.name
        assert held[own].dtype == ("int32" if port.dtype == "int64" else "int8")
        assert (held[own].scale is None) == (port.dtype == "int64")


def test_each_input_is_channels_last_for_itself() -> None:
    _, made = exported("fused")
    assert given(made.meta["layout"]) == [("image", [0, 2, 3, 1]), ("size", [0, 1])]
    assert audit(made.file("float.tflite")).transposes == 0


def test_inputs_of_one_shape_are_never_taken_for_each_other(tmp_path: Path) -> None:
    class Apart(torch.nn.Module):
        def forward(self, zebra: torch.Tensor, ape: torch.Tensor) -> torch.Tensor:
            return zebra * 3 - ape

    graph = capture(Apart(), parse(["1,4", "1,4"]))
    program = torch.export.export(Apart(), (torch.zeros(2, 4), torch.zeros(2, 4)))
    torch.export.save(program, tmp_path / "m.pt2")
    model = save(workdir(tmp_path / "m"), graph, source={"program": "x"}, classes=None,
                 program_file=tmp_path / "m.pt2")  # fmt: skip
    made = export(model, cfg=ExportConfig(), work=workdir(tmp_path / "e"))
    x = Ports.of(model.meta["input"]).draw(32)
    found = figures(model, int8(model, made, x, tmp_path), x, tmp_path)
    assert min(found.values()) > 30


def two_input_onnx(path: Path) -> Path:
    """An image and a vector, as another framework's exporter writes them, batch open."""
    random = np.random.default_rng(0)
    weights = {"w": random.standard_normal((4, 3, 3, 3)), "v": random.standard_normal((5, 4))}
    nodes = [
        helper.make_node("Conv", ["img:0", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("ReduceMean", ["r"], ["m"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["info.1", "v"], ["u"]),
        helper.make_node("Add", ["m", "u"], ["y"]),
    ]
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "two",
        [helper.make_tensor_value_info("img:0", kind, ["n", 3, 8, 8]),
         helper.make_tensor_value_info("info.1", kind, ["n", 5])],
        [helper.make_tensor_value_info("y", kind, ["n", 4])],
        [numpy_helper.from_array(a.astype(np.float32), n) for n, a in weights.items()],
    )  # fmt: skip
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )
    return path


def test_an_onnx_file_of_two_inputs_and_the_tflite_made_of_it(tmp_path: Path) -> None:
    path = two_input_onnx(tmp_path / "two.onnx")
    model = foreign.adopt(path, None, workdir(tmp_path / "a"))
    ports = Ports.of(model.meta["input"])
    assert [str(port) for port in ports] == ["img:0 (3, 8, 8) float32", "info.1 (5) float32"]
    made = export(model, cfg=ExportConfig(), work=workdir(tmp_path / "b"))
    assert made.meta["way"] == "own"
    assert [name for name, _ in given(made.meta["layout"])] == ["img_0", "info_1"]
    x = ports.draw(32)
    found = figures(model, int8(model, made, x, tmp_path), x, tmp_path)
    assert all(db > (90 if kind == "float" else 30) for (_, kind), db in found.items()), found

    taken = foreign.adopt(made.file("float.tflite"), None, workdir(tmp_path / "c"))
    again = export(taken, cfg=ExportConfig(), work=workdir(tmp_path / "d"))
    place = tmp_path / "tflite"
    own = Ports.of(taken.meta["input"])
    assert {port.name for port in own} == {"img_0", "info_1"}
    y = own.draw(32)
    place.mkdir()
    found = figures(taken, int8(taken, again, y, place), y, place)
    assert all(db > (90 if kind == "float" else 30) for (_, kind), db in found.items()), found


def test_an_open_shape_is_given_by_name(tmp_path: Path) -> None:
    path = two_input_onnx(tmp_path / "two.onnx")
    model = onnx.load(path)
    model.graph.input[1].type.tensor_type.shape.dim[1].dim_param = "length"
    onnx.save(model, path)
    with pytest.raises(UsageError, match="leaves the shape of its input open") as caught:
        foreign.adopt(path, None, workdir(tmp_path / "a"))
    assert "info.1=1,..." in caught.value.fix
    named = parse(["info.1=1,5", "img:0=1,3,8,8"])
    taken = foreign.adopt(path, named, workdir(tmp_path / "b"))
    assert [port.shape for port in Ports.of(taken.meta["input"])] == [(3, 8, 8), (5,)]


def test_ids_of_an_onnx_file_know_their_table(tmp_path: Path) -> None:
    model, made = exported("encoder")
    taken = foreign.adopt(made.file("model.onnx"), None, workdir(tmp_path))
    ids, mask = Ports.of(taken.meta["input"])
    assert (ids.dtype, ids.rows, mask.rows) == ("int64", 40, None)
    x = networks.samples("encoder", 4)
    (want,), (got,) = reference.outputs(model, x), foreign.outputs(taken, x)
    assert sqnr_db(want, got) > 90
    lite = foreign.adopt(made.file("float.tflite"), None, workdir(tmp_path / "t"))
    rows = {port.name: port.rows for port in Ports.of(lite.meta["input"])}
    assert rows == {"input_ids": 40, "attention_mask": None}


def test_names_in_the_file_are_plain_and_each_its_own() -> None:
    assert input_names(["anything"]) == ["input"]
    assert input_names(["a.1", "a:1", "0", "x"]) == ["a_1", "a_1_1", "input_0", "x"]


def test_the_graph_in_a_file_is_the_one_of_the_module() -> None:
    model, _ = exported("streaming")
    x = networks.samples("streaming", 3)
    with torch.no_grad():
        want = build(model.meta["source"]).eval()(*x.tensors().arrays)
        got = load(model)(*x.tensors().arrays)
    named = {f"output_{n}": value.numpy() for n, value in enumerate(got)}
    assert [name for name, _ in match_outputs([w.numpy() for w in want], named)] == sorted(named)


def test_a_mask_that_is_a_product_is_softened_for_int8() -> None:
    _, made = exported("padded")
    assert made.meta["folded"]["soften_masks"] == 1
    assert made.meta["way"] == "own"
