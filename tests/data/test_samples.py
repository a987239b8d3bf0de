"""Samples named for one command: what is read, and one clear error for what cannot be meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data.samples import load
from pipeline.errors import UsageError

SHAPE = (3, 4, 5)
GOOD = np.random.default_rng(0).standard_normal((12, *SHAPE)).astype(np.float32)


def npz(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "x.npz", **arrays)
    return folder / "x.npz"


@pytest.mark.parametrize("name", ["x", "input", "anything"])
def test_one_array_an_input_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    given = load(npz(tmp_path, **{name: GOOD}), SHAPE)
    assert np.array_equal(given.x, GOOD)


def test_labels_may_lie_beside_it(tmp_path: Path) -> None:
    assert len(load(npz(tmp_path, x_train=GOOD, y_train=np.arange(12)), SHAPE).x) == 12
    assert len(load(npz(tmp_path, photos=GOOD, labels=np.arange(12)), SHAPE).x) == 12


def test_a_folder_of_arrays_and_a_folder_of_images(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", GOOD[0])
    np.save(tmp_path / "b.npy", GOOD[1:3])
    assert np.array_equal(load(tmp_path, SHAPE).x, GOOD[:3])
    images = tmp_path / "images"
    images.mkdir()
    for number in range(2):
        Image.fromarray(np.full((8, 8, 3), 100 * number, np.uint8)).save(images / f"{number}.png")
    found = load(images, SHAPE).x
    assert found.shape == (2, *SHAPE)
    assert found.max() == pytest.approx(100 / 255)


BAD = {
    "no samples": {"x": GOOD[:0]},
    r"channels come first in torch": {"x": GOOD.transpose(0, 2, 3, 1)},
    r"shape \[4, 5\], the model takes \[3, 4, 5\]": {"x": GOOD[:, 0]},
    "1 of 12 samples hold NaN or infinity (the first: 3)": {"x": GOOD.copy()},
    "every value is 0.5": {"x": np.full_like(GOOD, 0.5)},
    "2 arrays that may be the input": {"a": GOOD, "b": GOOD},
    "holds no array": {},
    "not numbers": {"x": np.full((3, *SHAPE), "a")},
}
BAD["1 of 12 samples hold NaN or infinity (the first: 3)"]["x"][3, 0, 0, 0] = np.nan


@pytest.mark.parametrize("what", sorted(BAD))
def test_bad_samples_are_one_clear_error(tmp_path: Path, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(npz(tmp_path, **BAD[what]), SHAPE)
    assert what.replace("\\", "") in str(caught.value)
    assert caught.value.fix
    assert len(str(caught.value).splitlines()) == 2


def test_what_is_no_archive(tmp_path: Path) -> None:
    for path in (tmp_path / "none.npz", tmp_path / "torn.npz", tmp_path):
        if path.name == "torn.npz":
            path.write_bytes(npz(tmp_path, x=GOOD).read_bytes()[:100])
            (tmp_path / "x.npz").unlink()
        with pytest.raises(UsageError):
            load(path if path != tmp_path else tmp_path / "empty", SHAPE)


def test_raw_pixels_and_few_samples_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load(npz(tmp_path, x=np.abs(GOOD[:3]) * 100), SHAPE)
    told = capsys.readouterr().err
    assert "normalised" in told
    assert "3 samples are few" in told
