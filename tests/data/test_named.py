"""Samples of several inputs in one .npz: which array is whose, and errors that say so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.config.recipe import DataConfig, TaskConfig
from pipeline.data.samples import load, typed
from pipeline.data.source import Data
from pipeline.errors import UsageError
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import Port, Ports, parse

PORTS = Ports([Port("image", (3, 4, 5)), Port("ids", (6,), "int64", rows=9)])
RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.standard_normal((12, 3, 4, 5)).astype(np.float32)
IDS = RANDOM.integers(0, 9, (12, 6))


def npz(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "two.npz", **arrays)
    return folder / "two.npz"


def test_arrays_go_by_the_inputs_names_whatever_else_is_there(tmp_path: Path) -> None:
    found = load(npz(tmp_path, ids=IDS, y=np.arange(12), image=IMAGE), PORTS).x
    assert isinstance(found, Batch)
    assert np.array_equal(found.arrays[0], IMAGE) and np.array_equal(found.arrays[1], IDS)
    assert found.arrays[1].dtype == np.int64


def test_where_no_name_is_known_the_order_counts(tmp_path: Path) -> None:
    found = load(npz(tmp_path, a=IMAGE, b=IDS), PORTS).x
    assert isinstance(found, Batch)
    assert found.names == ("image", "ids") and np.array_equal(found.arrays[0], IMAGE)


def test_pixels_are_scaled_and_integers_never(tmp_path: Path) -> None:
    pixels = RANDOM.integers(0, 256, IMAGE.shape).astype(np.uint8)
    found = load(npz(tmp_path, image=pixels, ids=IDS.astype(np.uint8)), PORTS).x
    assert isinstance(found, Batch)
    assert found.arrays[0].max() == pytest.approx(pixels.max() / 255)
    assert np.array_equal(found.arrays[1], IDS)


BAD = {
    "the model takes image (3, 4, 5) float32, ids (6) int64; the file holds image": {
        "image": IMAGE
    },
    "the file holds b [12, 6] int64, a [12, 3, 4, 5] float32": {"b": IDS, "a": IMAGE},
    "the file holds image [12, 3, 4, 5] float32, b [12, 6] int64": {"image": IMAGE, "b": IDS},
    "different numbers of samples: image 12, ids 11": {"image": IMAGE, "ids": IDS[:11]},
    "'ids': float32 values, the input takes int64": {
        "image": IMAGE, "ids": IDS.astype(np.float32)
    },
    "values from 0 to 9, the table they look up has 9 rows": {"image": IMAGE, "ids": IDS * 0 + 9},
    "'image': 1 of 12 samples hold NaN": {
        "image": np.where(np.arange(12)[:, None, None, None] == 3, np.nan, IMAGE), "ids": IDS
    },
    "every value is 0": {"image": IMAGE * 0, "ids": IDS},
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(BAD))
def test_what_cannot_be_meant_is_one_clear_error(tmp_path: Path, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(npz(tmp_path, **BAD[what]), PORTS)
    assert what in str(caught.value)
    assert caught.value.fix


def test_one_array_alone_is_too_little(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", IMAGE)
    for path in (tmp_path / "x.npy", tmp_path):
        with pytest.raises(UsageError, match="takes 2 inputs"):
            load(path, PORTS)


def test_an_inputs_dtype_is_that_of_its_arrays_where_nobody_said_one(tmp_path: Path) -> None:
    path = npz(tmp_path, image=IMAGE, ids=IDS, mask=IDS)
    assert [p.dtype for p in typed(parse(["1,3,4,5", "1,6"]), path)] == ["float32", "int64"]
    assert [p.dtype for p in typed(parse(["ids=1,6:int32"]), path)] == ["int32"]
    path = npz(tmp_path, image=IMAGE, ids=IDS, size=IDS.astype(np.float32))
    assert [p.dtype for p in typed(parse(["1,6"]), path)] == [""]
    assert [p.dtype for p in typed(parse(["ids=1,6", "size=1,6"]), path)] == ["int64", "float32"]


def test_recipes_name_the_splits_of_each_input(tmp_path: Path) -> None:
    y = np.arange(12) % 3
    path = npz(tmp_path, image_train=IMAGE, ids_train=IDS, y_train=y,
               image_test=IMAGE[:4], ids_test=IDS[:4], y_test=y[:4])  # fmt: skip
    data = Data(DataConfig(npz=path, validation=0.25), PORTS, 3, TaskConfig())
    assert [data.count(split) for split in ("train", "validation", "test")] == [9, 3, 4]
    assert np.array_equal(data.inputs("test").arrays[1], IDS[:4])
    assert len(data.inputs("train", slice(0, 5))) == 5
    scaled = Data(DataConfig(npz=path, mean=[0.5]), PORTS, 3, TaskConfig())
    with pytest.raises(UsageError, match="mean and std are for one float input"):
        scaled.count("train")
