"""Calibration samples come from the train split, are reproducible, and fit the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.artifacts import Checkpoint, Quantized, Workdir
from pipeline.errors import UsageError
from pipeline.quantize.stage import QuantizeConfig, quantize

SHAPE = (2, 3, 3)


class Counted:
    """Each sample is filled with its number; only the train split may be read."""

    classes, digest = None, ""

    def __init__(self, shape: tuple[int, ...] = SHAPE, spoil: float = 0.0) -> None:
        self.x = np.broadcast_to(np.arange(50.0).reshape(-1, 1, 1, 1), (50, *shape)).copy()
        self.x[:, 0, 0, 0] += spoil

    def count(self, split: str) -> int:
        assert split == "train"
        return 50

    def inputs(self, split: str, index: Any = None) -> np.ndarray:
        assert split == "train"
        return self.x[index]


def run(folder: Path, data: Counted | None, **settings: Any) -> Quantized:
    model = Checkpoint(folder, "c" * 64, {"input": list(SHAPE)})
    work = Workdir(folder / "out", folder / "scratch")
    return quantize(model, data=data, cfg=QuantizeConfig(**settings), work=work)


def test_samples_are_drawn_without_repeats_by_seed(tmp_path: Path) -> None:
    made = [run(tmp_path / str(i), Counted(), samples=20, seed=s) for i, s in enumerate((1, 1, 2))]
    samples = np.load(made[0].file("calibration.npy"))
    assert samples.shape == (20, *SHAPE)
    assert samples.dtype == np.float32
    assert len(np.unique(samples[:, 0, 0, 0])) == 20
    assert made[0].digest == made[1].digest != made[2].digest
    assert made[0].meta["checkpoint"] == "c" * 64


def test_fp32_keeps_no_samples(tmp_path: Path) -> None:
    made = run(tmp_path, None, scheme="fp32")
    assert [path.name for path in made.path.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize(
    ("data", "settings", "what"),
    [
        (None, {}, "needs calibration samples"),
        (Counted(), {"samples": 51}, "the train split has 50"),
        (Counted((3, 3, 2)), {"samples": 5}, r"shape \[3, 3, 2\], the model takes \[2, 3, 3\]"),
        (Counted(spoil=np.nan), {"samples": 5}, "5 of 5 samples hold NaN or infinity"),
        (Counted(spoil=-np.inf), {"samples": 5}, "5 of 5 samples hold NaN or infinity"),
    ],
)
def test_bad_data_is_one_clear_error(
    tmp_path: Path, data: Counted | None, settings: dict[str, Any], what: str
) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        run(tmp_path, data, **settings)
    assert caught.value.fix
    assert not (tmp_path / "out" / "manifest.json").exists()
