"""The two tasks: data, network, and how long it trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.config.recipe import DataConfig, TaskConfig
from pipeline.data import fashion_mnist
from pipeline.data.source import Data
from pipeline.models.resnet8 import resnet8
from pipeline.train.config import FinetuneConfig, TrainConfig
from tests.benchmarks.accuracy import watch


class WatchNet(nn.Module):
    """DS-CNN in one dimension: a strided stem and four depthwise separable blocks."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        units = [_unit(watch.CHANNELS, width, 9, 2)]
        for stride in (1, 2, 1, 1):
            units += [_unit(width, width, 9, stride, width), _unit(width, width, 1, 1)]
        self.units, self.dropout = nn.Sequential(*units), nn.Dropout(0.2)
        self.classifier = nn.Linear(width, watch.CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 6, 128) -> logits (n, 7)."""
        y: Tensor = self.classifier(self.dropout(self.units(x).mean(-1)))
        return y


def _unit(inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> nn.Module:
    padding = kernel // 2
    conv = nn.Conv1d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm1d(outputs), nn.ReLU())


@dataclass(frozen=True)
class Task:
    """`dense` trains a network from fresh weights, `finetune` is every arm's budget after a cut."""

    name: str
    build: Callable[[], nn.Module]
    data: Callable[[Path], Data]
    dense: dict[str, object]
    finetune: dict[str, object]

    def training(self, seed: int) -> TrainConfig:
        return TrainConfig.model_validate({**self.dense, "seed": seed})

    def finetuning(self, seed: int) -> FinetuneConfig:
        return FinetuneConfig.model_validate({**self.finetune, "seed": seed})

    def from_scratch(self, seed: int) -> TrainConfig:
        """As long as the dense training and the fine-tuning together."""
        epochs = self.training(seed).epochs + self.finetuning(seed).epochs
        return TrainConfig.model_validate({**self.dense, "epochs": epochs, "seed": seed})

    def network(self, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return self.build().eval()


TRAIN_IMAGES = 20_000


def fashion() -> dict[str, tuple[object, object]]:
    """A part of Fashion-MNIST's train split, all of validation and test."""
    splits = {name: (split.x, split.y) for name, split in fashion_mnist.load().items()}
    x, y = splits["train"]
    return {**splits, "train": (x[:TRAIN_IMAGES], y[:TRAIN_IMAGES])}


def _fashion(_: Path) -> Data:
    config = DataConfig(function=f"{__name__}:fashion", mean=[0.286], std=[0.353])
    return Data(config, [1, 28, 28], 10, TaskConfig())


def _watch(folder: Path) -> Data:
    config = DataConfig(npz=watch.windows(folder))
    return Data(config, [watch.CHANNELS, watch.WINDOW], watch.CLASSES, TaskConfig())


TASKS = {
    "watch": Task(
        "watch",
        WatchNet,
        _watch,
        {"epochs": 20, "batch_size": 64, "lr": 0.05},
        {"epochs": 10, "batch_size": 64, "lr": 0.02, "recalibrate": 1920},
    ),
    "fashion": Task(
        "fashion",
        resnet8,
        _fashion,
        {"epochs": 4, "augment": "flip"},
        {"epochs": 2, "augment": "flip"},
    ),
}
