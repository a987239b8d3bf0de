"""A certificate says what each runtime makes of a file; what misses a bound is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.artifacts import Certificate, Deployable
from pipeline.board import runtimes
from pipeline.convert.stage import ConvertConfig, convert
from pipeline.errors import Refused, UsageError
from pipeline.quantize.stage import QuantizeConfig, quantize
from pipeline.verify.stage import VerifyConfig, verify
from pipeline.verify.standalone import adopt
from tests.convert.chains import Chain, Noise, chain, checkpoint, rewritten, workdir

BOTH = ("ai-edge-litert", "tflite-runtime")


@pytest.fixture(scope="module")
def old_runtime() -> str:
    """tflite-runtime, where a Python and a package index for it are at hand."""
    try:
        runtimes.python_for("tflite-runtime")
    except Refused as error:
        pytest.skip(error.what)
    return "tflite-runtime"


def certify(made: Chain, folder: Path, model: Deployable | None = None, **cfg: Any) -> Certificate:
    cfg = {"runtimes": ("ai-edge-litert",), "min_agreement": 0.8, **cfg}
    return verify(
        model or made.deployable, reference=made.checkpoint, data=made.data,
        cfg=VerifyConfig(**cfg), work=workdir(folder),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["pools", "heads", "sound"])
def test_the_same_figures_in_both_runtimes(name: str, tmp_path: Path, old_runtime: str) -> None:
    made = chain(name)
    made.data.read.clear()
    few = {old_runtime: 20}
    done = certify(made, tmp_path, samples=40, runtimes=BOTH, required=BOTH, test_samples=few)
    assert json.loads(done.file("certificate.json").read_text()) == done.meta
    assert made.data.read == {"validation", "test"}
    for runtime, tested in zip(BOTH, (48, 20), strict=True):
        found = done.meta["runtimes"][runtime]
        assert found["verdict"] == "passed"
        assert found["runtime"].startswith(runtime)
        assert found["float"]["sqnr_db"] > 90
        assert found["file"]["sqnr_db"] > 18
        assert found["file"]["n"] == 40
        assert found["failures"] == {}
        if name == "heads":  # several outputs decide nothing and have no metric of their own
            assert found["file"]["agreement"] is found["accuracy"] is None
        else:
            assert found["accuracy"]["n"] == tested
            assert found["accuracy"]["value"] > 0.8
    assert done.meta["runtimes"]["ai-edge-litert"]["partitions"] >= 1
    assert done.meta["audit"]["float_operators"] == {}


@pytest.mark.parametrize(
    ("cfg", "what"),
    [
        ({"min_sqnr_int8_db": 150}, r"the int8 file is .* dB from torch \(at least 150 dB\)"),
        ({"min_sqnr_float_db": 250}, r"the float file is .* dB from torch \(at least 250 dB\)"),
    ],
)
def test_a_missed_bound_names_figure_bound_and_fix(
    tmp_path: Path, cfg: dict[str, Any], what: str
) -> None:
    with pytest.raises(Refused, match=what) as caught:
        certify(chain("sound"), tmp_path, **cfg)
    assert caught.value.fix
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_another_checkpoint_is_found_out_and_called_so(tmp_path: Path) -> None:
    made, other = chain("sound"), checkpoint(tmp_path / "other", "sound", seed=1)
    mixed = Chain(other, Noise(other), made.quantized, made.exported, made.deployable)
    with pytest.raises(Refused, match="dB from torch") as caught:
        certify(mixed, tmp_path / "v")
    assert "another checkpoint" in caught.value.fix


def test_a_reference_with_other_outputs_is_a_usage_error(tmp_path: Path) -> None:
    made, other = chain("heads"), chain("pools")
    mixed = Chain(other.checkpoint, other.data, made.quantized, made.exported, made.deployable)
    with pytest.raises(UsageError, match="the file answers"):
        certify(mixed, tmp_path)


def test_a_file_that_a_runtime_refuses_or_dies_of_is_a_result(
    tmp_path: Path, old_runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scale that a pad by minus infinity leaves behind, in the file as converters write it."""

    def change(model: Any) -> None:
        graph = model.subgraphs[0]
        for operator in graph.operators:
            if model.operatorCodes[operator.opcodeIndex].builtinCode == 17:  # MAX_POOL_2D
                graph.tensors[operator.outputs[0]].quantization.scale = [1.33e36]

    made = chain("pools")
    poisoned = shutil.copytree(made.deployable.path, tmp_path / "artifact")
    rewritten(made.deployable.file("model.tflite"), change, poisoned / "model.tflite")
    model = Deployable(poisoned, "", made.deployable.meta)
    with pytest.raises(Refused, match="quantization scale out of range"):
        certify(made, tmp_path / "audited", model)
    monkeypatch.setattr("pipeline.verify.certify.require_sound", lambda *_, **__: None)
    done = certify(made, tmp_path / "reported", model, runtimes=BOTH, required=())
    found = done.meta["runtimes"]
    assert [found[name]["verdict"] for name in BOTH] == ["failed", "failed"]
    assert "failed to prepare" in found["ai-edge-litert"]["failures"]["test"]
    assert "SIGABRT" in found[old_runtime]["failures"]["test"]
    with pytest.raises(Refused, match="SIGABRT"):
        certify(made, tmp_path / "needed", model, runtimes=(), required=(old_runtime,))


def test_without_a_python_for_it_a_runtime_is_not_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECATEUR_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(runtimes, "OLD_PYTHONS", ())
    done = certify(chain("sound"), tmp_path / "v", runtimes=BOTH)
    found = done.meta["runtimes"]["tflite-runtime"]
    assert found["verdict"] == "not verified"
    assert found["reason"].startswith("not verified: ")
    with pytest.raises(Refused, match="not verified"):
        certify(chain("sound"), tmp_path / "w", runtimes=BOTH, required=BOTH)


def test_fp32_is_judged_by_the_float_bound(tmp_path: Path) -> None:
    made = chain("sound")
    cfg = QuantizeConfig(scheme="fp32")
    floating = quantize(made.checkpoint, data=None, cfg=cfg, work=workdir(tmp_path / "q"))
    work = workdir(tmp_path / "d")
    model = convert(floating, exported=made.exported, cfg=ConvertConfig(), work=work)
    found = certify(made, tmp_path / "v", model).meta["runtimes"]["ai-edge-litert"]
    assert found["file"]["agreement"] == 1
    assert found["file"]["sqnr_db"] > 90
    with pytest.raises(Refused, match="the float file"):
        certify(made, tmp_path / "w", model, min_sqnr_float_db=250)


@pytest.mark.parametrize("name", ["model.tflite", "float.tflite"])
def test_a_bare_file_is_adopted_with_its_layout(name: str, tmp_path: Path) -> None:
    made = chain("heads")
    path = made.deployable.file(name)
    taken = adopt(path, made.checkpoint, made.data, workdir(tmp_path / "adopted"))
    assert taken.meta["layout"] == made.deployable.meta["layout"]
    assert taken.meta["scheme"] == {"model.tflite": "int8", "float.tflite": "fp32"}[name]
    found = certify(made, tmp_path / "v", taken).meta["runtimes"]["ai-edge-litert"]
    assert found["verdict"] == "passed"
    assert found["float"] is None


def test_a_bare_file_of_another_model_is_refused(tmp_path: Path) -> None:
    made, other = chain("heads"), chain("pools")
    path = made.deployable.file("model.tflite")
    with pytest.raises(Refused, match="output 0"):
        adopt(path, other.checkpoint, other.data, workdir(tmp_path / "a"))
    with pytest.raises(UsageError, match="takes"):
        adopt(path, chain("sound").checkpoint, other.data, workdir(tmp_path / "b"))
