"""The training loop, read from top to bottom."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import GraphModule

from pipeline.artifacts import write_atomic
from pipeline.data.source import Data
from pipeline.errors import Refused, UsageError
from pipeline.inputs.batch import Batch
from pipeline.models.modes import set_training
from pipeline.progress import say, track
from pipeline.train import distributed
from pipeline.train.augment import AUGMENTS
from pipeline.train.config import TrainConfig
from pipeline.train.layout import arranged, choose, lay_out

Loss = Callable[[Tensor | Batch, Tensor, Tensor], Tensor]
"""(inputs (n, *input) or a batch of several, outputs, targets) -> scalar."""


def fit(
    model: GraphModule,
    data: Data,
    loss: Loss,
    cfg: TrainConfig,
    scratch: Path,
    *,
    after_step: Callable[[], None] = lambda: None,
) -> None:
    """Train `model` in place, and leave it in eval mode; `after_step` follows each update.

    The state after each epoch goes to `scratch`, and an epoch's randomness comes from seed and
    number alone: a run that was killed and resumed ends bit for bit where an unbroken one does.

    Raises:
        Refused: the loss is no longer finite.
    """
    layout = choose(model, Batch.of(data.inputs("train", slice(0, 2))).tensors())
    lay_out(model, layout)
    optimizer = _optimizer(model, cfg)
    steps = -(-data.count("train") // (cfg.batch_size * distributed.world_size()))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, cfg.lr, steps * cfg.epochs)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    start = _resume(scratch / "state.pt", parts)
    for epoch in range(start, cfg.epochs):
        set_training(model, True)
        torch.manual_seed(cfg.seed * 1_000_003 + epoch)
        total = 0.0
        label = f"epoch {epoch + 1}/{cfg.epochs}"
        for x, y in track(batches(data, cfg, epoch), label, steps):
            value = loss(x, model(*arranged(x, layout).arrays), y)
            optimizer.zero_grad()
            value.backward()  # type: ignore[no-untyped-call]
            distributed.average_gradients(model)
            optimizer.step()
            after_step()
            schedule.step()
            total += float(value.detach())
        distributed.average_buffers(model)
        set_training(model, False)
        if not np.isfinite(total):
            raise Refused(f"the loss is {total} in {label}", fix=f"lower lr (it is {cfg.lr})")
        score = evaluate(model, data, "validation")
        say(f"  {label}: loss {total / steps:.4f}, validation {score:.4f}")
        _save(scratch / "state.pt", parts, epoch + 1)
    lay_out(model, torch.contiguous_format)


def batches(data: Data, cfg: TrainConfig, epoch: int) -> Iterator[tuple[Tensor | Batch, Tensor]]:
    """Shuffled, augmented batches of the train split; each process of a group takes its share."""
    random = np.random.default_rng([cfg.seed, epoch])
    order = random.permutation(data.count("train"))
    size = cfg.batch_size * distributed.world_size()
    for start in range(0, len(order), size):
        index = order[start : start + size]
        index = index[distributed.rank() :: distributed.world_size()]
        x, y = data.inputs("train", index), torch.from_numpy(data.targets("train", index))
        if isinstance(x, Batch):
            yield _as_it_is(x, cfg), y
        else:
            yield torch.from_numpy(AUGMENTS[cfg.augment](x, random)), y


def _as_it_is(x: Batch, cfg: TrainConfig) -> Batch:
    if cfg.augment != "none":
        what = f"augment = '{cfg.augment}' is for one input, the model takes {len(x.names)}"
        raise UsageError(what, fix='set augment = "none", and augment in your data function')
    return x.tensors()


def evaluate(model: GraphModule, data: Data, split: str) -> float:
    """The recipe's metric over a whole split; the model is in eval mode."""
    return data.metric(predict(model, data, split), data.targets(split))


@torch.no_grad()
def predict(model: GraphModule, data: Data, split: str, batch_size: int = 500) -> np.ndarray:
    """Outputs for every sample of a split, (n, ...)."""
    starts = range(0, data.count(split), batch_size)
    parts = [data.inputs(split, slice(s, s + batch_size)) for s in starts]
    batches = (Batch.of(part).tensors() for part in parts)
    return np.concatenate([model(*x.arrays).numpy() for x in batches])


def _optimizer(model: GraphModule, cfg: TrainConfig) -> torch.optim.Optimizer:
    """Weight decay on weights only: biases and norms have one dimension (He et al. 2019)."""
    weights = [p for p in model.parameters() if p.ndim > 1]
    rest = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": weights, "weight_decay": cfg.weight_decay}]
    groups.append({"params": rest})
    if cfg.optimizer == "adamw":
        return torch.optim.AdamW(groups, cfg.lr, weight_decay=0.0)
    return torch.optim.SGD(groups, cfg.lr, momentum=0.9, nesterov=True)


def _save(path: Path, parts: dict[str, object], epoch: int) -> None:
    if distributed.rank() > 0:
        return
    buffer = io.BytesIO()
    states = {name: part.state_dict() for name, part in parts.items()}  # type: ignore[attr-defined]
    torch.save({**states, "epoch": epoch}, buffer)
    write_atomic(path, buffer.getvalue())


def _resume(path: Path, parts: dict[str, object]) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state[name])  # type: ignore[attr-defined]
    say(f"  resumed after epoch {state['epoch']}")
    return int(state["epoch"])
