"""What the audit says of good, foreign and broken files."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.convert.audit import audit, require_sound
from pipeline.errors import Refused, UsageError
from tests.convert.chains import chain, rewritten


def test_counts_ports_and_versions() -> None:
    found = audit(chain("heads").deployable.file("model.tflite"))
    assert found.operators["CONV_2D"] == 4
    assert found.transposes == found.operators["TRANSPOSE"] == 1
    assert found.versions["CONV_2D"] >= 2
    assert [port.name for port in found.outputs] == ["output_0", "output_1", "output_2"]
    assert found.inputs[0].shape == [1, 16, 16, 3]


def test_float_file_reports_its_float_operators() -> None:
    path = chain("heads").deployable.file("float.tflite")
    found = audit(path)
    assert found.float_operators["CONV_2D"] == 4
    assert found.inputs[0].scale is None
    require_sound(found, path, scheme="fp32")
    with pytest.raises(Refused, match="operators left in float: 4 CONV_2D"):
        require_sound(found, path, scheme="int8")


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.33e36, math.inf, math.nan])
def test_insane_scales_are_refused(tmp_path: Path, scale: float) -> None:
    def change(model: object) -> None:
        model.subgraphs[0].tensors[0].quantization.scale = [scale]

    path = rewritten(chain("heads").deployable.file("model.tflite"), change, tmp_path / "x.tflite")
    with pytest.raises(Refused, match="quantization scale out of range") as caught:
        require_sound(audit(path), path, scheme="int8")
    assert caught.value.fix


def test_a_file_without_signatures_goes_by_tensor_names(tmp_path: Path) -> None:
    def change(model: object) -> None:
        model.signatureDefs = None

    path = rewritten(chain("heads").deployable.file("model.tflite"), change, tmp_path / "x.tflite")
    assert {tuple(port.shape) for port in audit(path).outputs} == {(1, 4, 4, 4), (1, 32)}


def test_what_is_no_tflite_file_is_a_usage_error(tmp_path: Path) -> None:
    whole = chain("heads").deployable.file("model.tflite").read_bytes()
    for data in (b"", b"TFL3", b"PK\x03\x04" + bytes(40), whole[: len(whole) // 2]):
        path = tmp_path / "x.tflite"
        path.write_bytes(data)
        with pytest.raises(UsageError) as caught:
            audit(path)
        assert len(str(caught.value).splitlines()) <= 2
    with pytest.raises(UsageError, match="cannot be read"):
        audit(tmp_path / "missing.tflite")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_corruption_never_escapes_as_another_error(tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(chain("heads").deployable.file("model.tflite").read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        whole[data.draw(st.integers(8, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "corrupt.tflite"
    path.write_bytes(whole)
    try:
        audit(path).to_json()
    except UsageError as error:
        assert error.fix
