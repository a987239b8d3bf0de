"""What a model takes: how users write it, how it is stored, and what is drawn and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.inputs import batch
from pipeline.inputs.batch import Batch
from pipeline.inputs.ports import Port, Ports, parse

TWO = parse(["image=1,3,8,8", "ids=1,5:int64"])


def test_shapes_are_written_with_the_batch_names_and_dtypes_where_needed() -> None:
    assert parse(["1,3,96,96"]) == (Port("", (3, 96, 96), ""),)
    assert (Port("image", (3, 8, 8), ""), Port("ids", (5,), "int64")) == TWO


@pytest.mark.parametrize("text", ["", "3", "a,b", "1,3x", "ids=1,5:int7", "=1,5", "1,5:"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write it as|none of"):
        parse([text])


def test_one_float_input_is_stored_as_its_shape_alone() -> None:
    assert Ports.of([3, 8, 8]).to_json() == [3, 8, 8]
    assert Ports.of(TWO.to_json()) == TWO
    limited = Ports([Port("ids", (5,), "int64", rows=7)])
    assert limited.to_json() == [{"name": "ids", "shape": [5], "dtype": "int64", "rows": 7}]
    assert Ports.of(limited.to_json()) == limited


def test_names_put_inputs_in_the_models_order_and_none_keep_theirs() -> None:
    named = parse(["ids=1,5:int64", "image=1,3,8,8"]).known(["image", "ids"])
    assert named.names == ["image", "ids"]
    assert named[0].dtype == "float32"
    assert parse(["1,3,8,8", "1,5:int64"]).known(["image", "ids"]) == named


@pytest.mark.parametrize(
    "texts", [["image=1,3", "1,5"], ["image=1,3", "image=1,3"], ["1,3", "1,5", "1,7"], ["x=1,3"]]
)
def test_other_inputs_than_the_models_are_refused(texts: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        parse(texts).known(["image", "ids"])
    assert "the model takes image, ids" in caught.value.fix


def test_integers_are_drawn_within_their_table_and_masks_are_never_all_zero() -> None:
    ports = Ports([Port("ids", (6,), "int64", rows=3), Port("mask", (6,), "bool"),
                   Port("one", (2,), "int32", fill=1), Port("x", (4,))])  # fmt: skip
    ids, mask, one, x = ports.draw(50).arrays
    assert ids.dtype == np.int64 and set(np.unique(ids)) == {0, 1, 2}
    assert mask.dtype == bool and mask.any(1).all() and not mask.all()
    assert one.dtype == np.int32 and (one == 1).all()
    assert x.dtype == np.float32 and x.shape == (50, 4)
    again = ports.draw(50)
    assert all(np.array_equal(a, b) for a, b in zip(again.arrays, (ids, mask, one, x), strict=True))


GOOD = {"image": np.zeros((4, 3, 8, 8), "f4"), "ids": np.zeros((4, 5), np.int64)}
BAD = {
    "'image': samples have the shape [8, 8, 3], the model takes [3, 8, 8]": {
        "image": GOOD["image"].transpose(0, 2, 3, 1)
    },
    "'ids': float32 values, the input takes int64": {"ids": np.zeros((4, 5), "f4")},
    "'ids': values from 0 to 7, the table they look up has 7 rows": {
        "ids": np.full((4, 5), 7)
    },
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(BAD))
def test_samples_of_another_kind_are_refused(what: str) -> None:
    ports = Ports([Port("image", (3, 8, 8)), Port("ids", (5,), "int64", rows=7)])
    ports.check(Batch(GOOD), "data")
    with pytest.raises(UsageError) as caught:
        ports.check(Batch({**GOOD, **BAD[what]}), "data")
    assert what in str(caught.value) and caught.value.fix


def test_a_batch_is_like_an_array_along_its_samples(tmp_path: Path) -> None:
    whole = Batch({"a": np.arange(12).reshape(6, 2), "b": np.arange(6.0)})
    assert len(whole) == 6
    assert np.array_equal(whole[1::2].by_name("b"), [1, 3, 5])
    assert np.array_equal(whole[np.array([4, 0])].by_name("a"), [[8, 9], [0, 1]])
    assert [one.arrays[0].shape for one in whole] == [(1, 2)] * 6
    assert np.array_equal(whole[:2].joined(whole[2:]).by_name("a"), whole.by_name("a"))
    double = whole.double()
    assert str(double.by_name("a").dtype), str(double.by_name("b").dtype) == (
        "torch.int64", "torch.float64",
    )  # fmt: skip
    for one, suffix in ((whole, ".npz"), (Batch.of(np.ones((3, 2))), ".npy")):
        path = one.save(tmp_path / "samples")
        assert path.suffix == suffix and batch.saved(tmp_path / "samples") is not None
        again = batch.load(path)
        assert all(np.array_equal(a, b) for a, b in zip(again.arrays, one.arrays, strict=True))
    assert batch.saved(tmp_path / "other") is None
