"""Data enters through one door, and what is wrong with it is said there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.config.recipe import DataConfig, TaskConfig
from pipeline.data import fashion_mnist
from pipeline.data.arrays import Split, carve
from pipeline.data.source import Data
from pipeline.errors import UsageError


def data(shape: list[int], classes: int | None = None, **config: object) -> Data:
    made = DataConfig.model_validate(config, context={"folder": Path.cwd()})
    return Data(made, shape, classes, TaskConfig())


@pytest.fixture
def npz(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(50, 2, 4)).astype(np.float32), np.arange(50) % 3
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x[:10], y_test=y[:10])
    return tmp_path / "d.npz"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for n, name in enumerate(("cat", "dog")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(10):
            colour = (n * 200, k, 0)
            Image.new("RGB", (9, 7), colour).save(tmp_path / "photos" / name / f"{k}.png")
    return tmp_path / "photos"


def test_validation_is_carved_from_train_alone(npz: Path) -> None:
    found = data([2, 4], 3, npz=npz, validation=0.2)
    assert [found.count(n) for n in ("train", "validation", "test")] == [40, 10, 10]
    with np.load(npz) as file:
        both = np.concatenate([found.inputs("train"), found.inputs("validation")])
        assert np.array_equal(np.sort(both.ravel()), np.sort(file["x_train"].ravel()))


def test_the_same_seed_carves_the_same_split() -> None:
    train = Split(np.arange(100)[:, None], np.arange(100))
    one, same = carve({"train": train}, 0.1, 1, ""), carve({"train": train}, 0.1, 1, "")
    other = carve({"train": train}, 0.1, 2, "")
    assert np.array_equal(one["test"].y, same["test"].y)
    assert not np.array_equal(one["test"].y, other["test"].y)
    parts = np.concatenate([split.y for split in one.values()])
    assert sorted(parts) == list(range(100))


def test_images_are_read_resized_and_normalised(images: Path) -> None:
    found = data([3, 5, 6], 2, folder=images, mean=[0.5] * 3, std=[0.5] * 3)
    assert found.inputs("train").shape[1:] == (3, 5, 6)
    x, y = found.inputs("train"), found.targets("train")
    np.testing.assert_allclose(x[y == 1][:, 0], 200 / 255 * 2 - 1, rtol=1e-6)
    np.testing.assert_allclose(x[y == 0][:, 0], -1)


def test_the_digest_follows_the_bytes(npz: Path, images: Path) -> None:
    before = data([3, 5, 6], 2, folder=images).digest
    assert data([3, 5, 6], 2, folder=images).digest == before
    assert data([3, 5, 6], 2, folder=images, mean=[1.0] * 3).digest != before
    Image.new("RGB", (9, 7)).save(images / "dog" / "3.png")
    assert data([3, 5, 6], 2, folder=images).digest != before


def refused(found: Data) -> str:
    with pytest.raises(UsageError) as error:
        found.count("train")
    assert len(str(error.value).splitlines()) <= 2
    return str(error.value)


def test_what_is_wrong_with_samples_is_said(npz: Path, tmp_path: Path) -> None:
    assert "set input = [2, 4]" in refused(data([2, 5], 3, npz=npz))
    assert "classes 0 to 2, the model has 2" in refused(data([2, 4], 2, npz=npz))
    x = np.zeros((4, 2), np.float32)
    x[1] = np.nan
    np.savez(tmp_path / "n.npz", x=x, y=np.zeros(4, int))
    assert "NaN" in refused(data([2], 1, npz=tmp_path / "n.npz"))
    np.savez(tmp_path / "s.npz", x=x, y=np.zeros(3, int))
    assert "4 samples and 3 targets" in refused(data([2], 1, npz=tmp_path / "s.npz"))
    np.savez(tmp_path / "e.npz", images=x)
    assert "store x_train and y_train (it has: images)" in refused(
        data([2], npz=tmp_path / "e.npz")
    )


def test_samples_without_targets_are_data_until_someone_asks_for_the_targets(
    tmp_path: Path, images: Path
) -> None:
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(20, 2, 4)))
    alone = [data([2, 4], 3, npz=tmp_path / "x.npz"), data([3, 5, 6], 2, folder=images / "cat")]
    for found in alone:
        assert not found.labelled
        assert len(found.inputs("validation")) == found.count("validation") > 0
        with pytest.raises(UsageError, match="holds samples without targets") as error:
            found.targets("train")
        assert len(str(error.value).splitlines()) == 2
    assert data([3, 5, 6], 2, folder=images).labelled


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_a_torn_npz_is_refused(npz: Path, keep: int) -> None:
    npz.write_bytes(npz.read_bytes()[:keep])
    assert "no readable .npz" in refused(data([2, 4], npz=npz))


def test_an_unreadable_image_is_named(images: Path) -> None:
    (images / "cat" / "3.png").write_bytes(b"GIF")
    assert "cat/3.png: is no readable image" in refused(data([3, 5, 6], 2, folder=images))


def test_a_folder_that_is_not_laid_out_is_refused(tmp_path: Path, images: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "CLASS/image.png" in refused(data([3, 5, 6], folder=tmp_path / "empty"))
    (tmp_path / "empty/cat").mkdir()
    assert "has no images" in refused(data([3, 5, 6], folder=tmp_path / "empty"))
    assert "input = [1 or 3, height, width]" in refused(data([7], folder=images))


def test_a_corrupt_fashion_mnist_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", Path("nowhere"))
    folder = home / "cache/datasets/fashion-mnist"
    folder.mkdir(parents=True)
    for name in fashion_mnist.SHA256:
        (folder / name).write_bytes(b"torn")
    with pytest.raises(UsageError, match=r"idx3-ubyte.gz: is corrupt\n.*delete it"):
        fashion_mnist.load()


def test_without_apt_the_error_says_which_files_go_where(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", Path("nowhere"))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError) as error:
        fashion_mnist.load()
    for name in fashion_mnist.SHA256:
        assert name in str(error.value)
    assert str(home / "cache/datasets/fashion-mnist") in str(error.value)
    assert not list((home / "cache/datasets").iterdir())
