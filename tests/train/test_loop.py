"""Training is seeded, resumable at any epoch, and learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from pipeline.config.recipe import DataConfig, TaskConfig
from pipeline.data.arrays import Split
from pipeline.data.source import Data
from pipeline.errors import Refused
from pipeline.models.graph import capture
from pipeline.train import loop
from pipeline.train.augment import flip, flip_shift
from pipeline.train.config import FinetuneConfig, TrainConfig
from pipeline.train.distill import distilled
from pipeline.train.layout import choose
from pipeline.train.steps import recalibrate


class Stripes(Data):
    """Two classes of 8x8 images: stripes across or down, under noise."""

    def __init__(self, count: int = 256) -> None:
        config = DataConfig.model_construct(mean=[0.0], std=[1.0])
        super().__init__(config, [1, 8, 8], 2, TaskConfig())
        random = np.random.default_rng(0)
        y = np.arange(count) % 2
        wave = np.sin(np.arange(8) * 2.0)
        across = np.where(y[:, None, None] == 1, wave[None, :, None], wave[None, None, :])
        x = (across[:, None] + random.normal(0, 0.5, (count, 1, 8, 8))).astype(np.float32)
        self.__dict__["_splits"] = {n: Split(x, y) for n in ("train", "validation", "test")}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(1, 8, 3, bias=False), nn.BatchNorm2d(8)
        self.drop, self.fc = nn.Dropout(0.1), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn(self.conv(x)).relu().mean((2, 3))
        return self.fc(self.drop(y))


def plain(x: torch.Tensor, outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return cross_entropy(outputs, y)


def net() -> torch.fx.GraphModule:
    torch.manual_seed(0)
    return capture(Net(), [1, 8, 8])


CFG = TrainConfig(epochs=3, batch_size=32, augment="flip")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    model = net()
    loop.fit(model, Stripes(), plain, CFG, tmp_path_factory.mktemp("whole"))
    assert loop.evaluate(model, Stripes(), "test") > 0.9
    return model.state_dict()


@pytest.mark.parametrize("killed_after", [1, 2])
def test_a_resumed_run_ends_where_an_unbroken_one_does(
    tmp_path: Path,
    whole: dict[str, torch.Tensor],
    killed_after: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save, saved = loop._save, []

    def save_and_die(*args: object) -> None:
        save(*args)  # type: ignore[arg-type]
        saved.append(1)
        if len(saved) == killed_after:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        loop.fit(net(), Stripes(), plain, CFG, tmp_path)
    monkeypatch.setattr(loop, "_save", save)
    model = net()
    loop.fit(model, Stripes(), plain, CFG, tmp_path)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, whole[name]), name


def test_another_seed_ends_elsewhere(tmp_path: Path, whole: dict[str, torch.Tensor]) -> None:
    model = net()
    loop.fit(model, Stripes(), plain, CFG.model_copy(update={"seed": 1}), tmp_path)
    assert not torch.equal(model.state_dict()["conv.weight"], whole["conv.weight"])


def test_a_loss_that_explodes_is_refused_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="lower lr"):
        loop.fit(net(), Stripes(64), lambda x, o, y: o.sum() * float("inf"), CFG, tmp_path)


def test_every_sample_is_seen_once_an_epoch_whatever_the_group() -> None:
    data = Stripes(100)
    data.__dict__["_splits"]["train"] = Split(
        np.arange(100, dtype=np.float32).reshape(-1, 1, 1, 1), np.arange(100)
    )
    seen = torch.cat([y for _, y in loop.batches(data, TrainConfig(batch_size=32), 0)])
    assert sorted(seen.tolist()) == list(range(100))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORLD_SIZE", "2")
        parts = []
        for rank in "01":
            patch.setenv("RANK", rank)
            parts += [y for _, y in loop.batches(data, TrainConfig(batch_size=16), 0)]
    assert sorted(torch.cat(parts).tolist()) == list(range(100))


def test_recalibration_moves_the_statistics_to_the_datas(tmp_path: Path) -> None:
    model, data = net(), Stripes()
    recalibrate(model, data, FinetuneConfig(batch_size=32))
    with torch.no_grad():
        x = torch.from_numpy(data.inputs("train"))
        seen = nn.functional.conv2d(x, model.conv.weight)
    expected = seen.mean((0, 2, 3))
    torch.testing.assert_close(model.bn.running_mean, expected, atol=0.05, rtol=0.1)
    before = model.bn.running_mean.clone()
    model(torch.from_numpy(data.inputs("train")) + 5)
    assert torch.equal(model.bn.running_mean, before), "it must be back in eval mode"


def test_distillation_is_zero_where_student_and_teacher_agree() -> None:
    model = net()
    x = torch.from_numpy(Stripes().inputs("train", slice(0, 8)))
    y = torch.zeros(8, dtype=torch.long)
    loss = distilled(plain, model, FinetuneConfig(distill=1.0))
    assert abs(float(loss(x, model(x), y).detach())) < 1e-6
    assert float(loss(x, model(x) * 3, y).detach()) > 1e-3
    mixed = distilled(plain, model, FinetuneConfig(distill=0.25))
    torch.testing.assert_close(mixed(x, model(x), y), 0.75 * cross_entropy(model(x), y))


def test_a_graph_with_views_of_the_default_layout_is_not_given_another() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(144, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.conv(x).view(x.shape[0], -1))

    x = torch.zeros(2, 1, 8, 8)
    assert choose(capture(Flat(), [1, 8, 8]), x) is torch.contiguous_format
    assert choose(net(), x) is torch.channels_last


def test_augmentations_keep_shape_and_content() -> None:
    x = np.arange(4 * 2 * 6 * 6, dtype=np.float32).reshape(4, 2, 6, 6)
    random = np.random.default_rng(0)
    assert np.array_equal(np.sort(flip(x, random).ravel()), x.ravel())
    moved = flip_shift(x, random)
    assert moved.shape == x.shape and moved.dtype == np.float32
    assert all(set(m.ravel()) <= set(s.ravel()) for m, s in zip(moved, x, strict=True))
