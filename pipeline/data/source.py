"""The recipe's data as stages see it: three splits, normalised, with loss and metric."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artifacts import digest_of
from pipeline.config.fields import fingerprint
from pipeline.config.recipe import DataConfig, TaskConfig
from pipeline.config.resolve import resolve
from pipeline.data import fashion_mnist, folder, named, npz
from pipeline.data.arrays import Split, carve, check
from pipeline.errors import UsageError
from pipeline.inputs.ports import Ports


class Data:
    """Samples in the torch model's own layout. Nothing is read before the first use."""

    def __init__(
        self, config: DataConfig, inputs: Ports | list[Any], classes: int | None, task: TaskConfig
    ) -> None:
        self.config, self.classes, self.task = config, classes, task
        self.ports = Ports.of(inputs).numbered()

    @cached_property
    def digest(self) -> str:
        """Digest of the samples, of how they are split and normalised, and of the task."""
        content = fashion_mnist.digest() if self.config.source else None
        parts = [fingerprint(self.config), content, self.ports.to_json(), fingerprint(self.task)]
        return digest_of(parts)

    def count(self, split: str) -> int:
        """Number of samples."""
        return len(self._splits[split].x)

    def inputs(self, split: str, index: Any = None) -> Any:
        """Normalised samples, float32 (n, *input); of several inputs a `Batch`, as it was stored.

        Integers stay what they are.
        """
        x = self._splits[split].x
        part = x if index is None else x[index]
        return part if self.as_stored else self.normalise(part)

    @property
    def as_stored(self) -> bool:
        """Whether nothing is normalised: several inputs, or an integer one."""
        return len(self.ports) > 1 or not self.ports[0].is_float

    def targets(self, split: str, index: Any = None) -> NDArray[Any]:
        """Targets, (n, ...).

        Raises:
            UsageError: there are samples alone.
        """
        y = self._splits[split].y
        if y is None:
            fix = "store y_train beside x_train; of images, a folder for each class"
            raise UsageError("holds samples without targets", where=self._where, fix=fix)
        return y if index is None else y[index]

    @property
    def labelled(self) -> bool:
        """Whether there are targets beside the samples."""
        return self._splits["train"].y is not None

    def normalise(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """(x / 255 if it is uint8, minus mean) / std, channel by channel."""
        shape = (1, -1) + (1,) * (x.ndim - 2)
        mean = np.array(self.config.mean, np.float32).reshape(shape)
        std = np.array(self.config.std, np.float32).reshape(shape)
        scaled = x.astype(np.float32)
        if x.dtype == np.uint8:
            scaled *= np.float32(1 / 255)
        return (scaled - mean) / std

    def metric(self, outputs: NDArray[Any], targets: NDArray[Any]) -> float:
        """The recipe's metric, higher is better; top-1 accuracy (0 to 1) by default."""
        if self.task.metric:
            return float(resolve(self.task.metric)(outputs, targets))
        return float((outputs.argmax(-1) == targets).mean())

    def loss(self) -> Callable[..., Any]:
        """The recipe's loss on (outputs, targets); cross-entropy by default."""
        if self.task.loss:
            function: Callable[..., Any] = resolve(self.task.loss)
            return function
        from torch.nn.functional import cross_entropy

        return cross_entropy

    @cached_property
    def _splits(self) -> dict[str, Split]:
        given, where = self._load(), self._where
        check(given, self.ports, self.classes, where)
        return carve(given, self.config.validation, self.config.seed, where)

    @property
    def _where(self) -> object:
        config = self.config
        return config.folder or config.npz or config.function or config.source

    def _load(self) -> dict[str, Split]:
        config = self.config
        if self.as_stored and (config.mean, config.std) != ([0.0], [1.0]):
            what = f"mean and std are for one float input, the model takes {self.ports}"
            raise UsageError(what, where="data", fix="store the arrays normalised")
        if config.folder:
            if self.as_stored:
                what = f"a folder of images is one float input, the model takes {self.ports}"
                raise UsageError(what, where=config.folder, fix="use npz or function")
            return folder.load(config.folder, list(self.ports[0].shape))
        if config.npz:
            return npz.load(config.npz, self.ports)
        if config.function:
            return _from_function(config.function, self.ports)
        return fashion_mnist.load()


def _from_function(reference: str, ports: Ports) -> dict[str, Split]:
    made = resolve(reference)()
    try:
        return {n: Split(_inputs(x, ports, reference), np.asarray(y)) for n, (x, y) in made.items()}
    except (AttributeError, TypeError, ValueError) as error:
        fix = 'return {"train": (x, y), "test": (x, y)} with arrays; x of several inputs {name: x}'
        raise UsageError("returned no splits", where=reference, fix=fix) from error


def _inputs(x: Any, ports: Ports, where: str) -> Any:
    """What a function returns for one split: an array, or one an input by its name."""
    if len(ports) == 1:
        return np.asarray(x)
    arrays = {name: np.asarray(array) for name, array in x.items()}
    return named.checked(named.match(arrays, ports, where), ports, where)
