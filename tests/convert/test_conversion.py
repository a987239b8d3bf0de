"""The chain from a checkpoint to an int8 file, and each trap of the converters in its way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter

from pipeline.artifacts import Deployable, Exported, folder_digests
from pipeline.board.runtimes import python_for
from pipeline.convert import onnx_file
from pipeline.convert.audit import audit
from pipeline.convert.layout import samples_first, sqnr_db
from pipeline.convert.stage import ConvertConfig, ExportConfig, convert, export
from pipeline.errors import Refused, UsageError
from pipeline.models.graph import capture
from pipeline.prune.checkpoint import load
from pipeline.quantize.stage import QuantizeConfig, quantize
from pipeline.verify.runs import Job, evaluate
from tests.convert import networks
from tests.convert.chains import chain, run, workdir

NETWORKS = ["pools", "heads", "sound", "cube", "places"]


def answers(path: Path, made: Exported | Deployable, x: np.ndarray) -> list[np.ndarray]:
    """The file's outputs in torch's order and layout, dequantised."""
    run = Interpreter(str(path)).get_signature_runner()
    ((name, port),) = run.get_input_details().items()
    scale, zero = port["quantization"]
    rows = []
    for sample in x.transpose(made.meta["layout"]["input"]):
        value = np.clip(np.round(sample / scale) + zero, -128, 127) if scale else sample
        rows.append(run(**{name: value[None].astype(port["dtype"])}))
    outputs = []
    for entry in made.meta["layout"]["outputs"]:
        scale, zero = run.get_output_details()[entry["name"]]["quantization"]
        value = samples_first([row[entry["name"]] for row in rows]).astype(np.float32)
        value = (value - zero) * scale if scale else value
        outputs.append(value.transpose(entry["to_torch"]))
    return outputs


@pytest.mark.parametrize("name", [*NETWORKS, "extras"])
def test_float_and_int8_files_answer_as_torch_does(name: str) -> None:
    made = chain(name)
    x = made.data.inputs("validation")[:8]
    want = [value.numpy() for value in onnx_file.run(load(made.checkpoint), torch.from_numpy(x))]
    in_float = answers(made.exported.file("float.tflite"), made.exported, x)
    in_int8 = answers(made.deployable.file("model.tflite"), made.deployable, x)
    for reference, close, near in zip(want, in_float, in_int8, strict=True):
        assert close.shape == near.shape == reference.shape
        assert sqnr_db(reference, close) > 90
        assert sqnr_db(reference, near) > 18


def test_a_tensor_that_is_returned_twice_keeps_both_names_on_a_board(tmp_path: Path) -> None:
    made = chain("extras")
    np.save(tmp_path / "x.npy", made.data.inputs("validation")[:2].transpose(0, 2, 3, 1))
    job = Job("extras", made.exported.file("float.tflite"), tmp_path / "x.npy")
    runtime = "ai-edge-litert"
    done = evaluate(python_for(runtime), runtime, [job], tmp_path / "outputs", 100)
    found = done.outputs["extras"]
    assert sorted(found) == [f"output_{index}" for index in range(5)]
    assert np.array_equal(found["output_0"], found["output_1"])
    assert found["output_3"].shape == (2, 6, 2) and found["output_4"].shape == (2,)


@pytest.mark.parametrize("name", NETWORKS)
def test_int8_file_is_integer_throughout(name: str) -> None:
    made = chain(name).deployable
    found = audit(made.file("model.tflite"))
    assert found.float_operators == {}
    assert found.insane_scales == []
    assert made.meta["size_bytes"] == found.size_bytes
    for port in (*made.meta["inputs"], *made.meta["outputs"]):
        assert port["dtype"] == "int8"
        assert port["shape"][0] == 1
        assert 0 < port["scale"] < 1


def test_padded_max_pools_are_lowered_without_a_pad_that_int8_cannot_hold() -> None:
    found = audit(chain("pools").deployable.file("model.tflite"))
    assert "PADV2" not in found.operators
    assert found.insane_scales == []


def test_gelu_stays_one_operator() -> None:
    made = chain("heads")
    model = onnx.load(made.exported.file("model.onnx"))
    assert [entry.version for entry in model.opset_import if not entry.domain] == [20]
    assert "Gelu" in {node.op_type for node in model.graph.node}
    assert audit(made.deployable.file("model.tflite")).operators["GELU"] == 1


def test_onnx_in_the_artifact_is_the_exported_one() -> None:
    made = chain("heads")
    data, lines = onnx_file.to_onnx(load(made.checkpoint), 3)
    assert made.exported.file("model.onnx").read_bytes() == data
    source = Path(networks.__file__).read_text().splitlines()
    number = next(i for i, line in enumerate(source, 1) if "functional.gelu(self.stem(x))" in line)
    assert any(line.endswith(f"networks.py:{number}") for line in lines.values())


def test_same_inputs_give_the_same_bytes_in_another_folder(tmp_path: Path) -> None:
    first, again = chain("sound"), run(tmp_path / "a" / "rather" / "deeper" / "folder", "sound")
    for name in ("exported", "quantized", "deployable"):
        one, two = getattr(first, name), getattr(again, name)
        assert folder_digests(one.path) == folder_digests(two.path)
        assert one.digest == two.digest
    needles = [b"/tmp", str(tmp_path).encode(), str(Path(__file__).parent).encode()]
    for path in again.exported.path.rglob("*"):
        if path.is_file():
            assert not any(needle in path.read_bytes() for needle in needles), path


def test_a_child_that_dies_leaves_nothing_half_made(tmp_path: Path) -> None:
    made, work = chain("sound"), workdir(tmp_path)
    with pytest.raises(Refused, match="took longer"):
        export(made.checkpoint, cfg=ExportConfig(timeout_s=0.1), work=work)
    assert list(work.out.iterdir()) == []
    assert export(made.checkpoint, cfg=ExportConfig(), work=work).digest == made.exported.digest


def test_fp32_is_the_float_file(tmp_path: Path) -> None:
    made = chain("sound")
    cfg = QuantizeConfig(scheme="fp32")
    floating = quantize(made.checkpoint, data=None, cfg=cfg, work=workdir(tmp_path / "q"))
    work = workdir(tmp_path / "d")
    result = convert(floating, exported=made.exported, cfg=ConvertConfig(), work=work)
    assert result.file("model.tflite").read_bytes() == result.file("float.tflite").read_bytes()
    assert result.meta["inputs"][0]["scale"] is None
    assert result.file("model.onnx").read_bytes() == made.exported.file("model.onnx").read_bytes()


def test_an_export_of_another_checkpoint_is_refused(tmp_path: Path) -> None:
    one, other = chain("sound"), chain("heads")
    with pytest.raises(UsageError, match="another checkpoint"):
        convert(one.quantized, exported=other.exported, cfg=ConvertConfig(), work=workdir(tmp_path))


class Bessel(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.bessel_j0(x)


class Svd(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.svd(x)[1]


@pytest.mark.parametrize(("kind", "name"), [(Bessel, "bessel_j0"), (Svd, "linalg_svd")])
def test_an_operator_without_onnx_form_is_named(kind: type[torch.nn.Module], name: str) -> None:
    with pytest.raises(Refused, match=rf"{name}.*test_conversion.py:\d+") as caught:
        onnx_file.to_onnx(capture(kind(), (4, 4)), 1)
    assert len(str(caught.value).splitlines()) == 2
