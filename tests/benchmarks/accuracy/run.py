"""One cell of the table: train or load the dense network, cut it, fine-tune it, judge it."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import fx

from pipeline.data.source import Data
from pipeline.models.graph import capture
from pipeline.prune.checkpoint import set_weights
from pipeline.train.config import TrainConfig
from pipeline.train.loop import evaluate, fit
from pipeline.train.reset import fresh
from pipeline.train.steps import recalibrate
from tests.benchmarks.accuracy.arms import RIVALS, SCRATCH, Dense, ours, rival, sizes
from tests.benchmarks.accuracy.tasks import TASKS, Task


class Cell(NamedTuple):
    """`share` of the MACs may stay; `arm` is how. The dense network is the arm of share 1."""

    task: str
    seed: int
    share: float
    arm: str


def line(cell: Cell, folder: Path, default: str) -> dict[str, Any]:
    """The validation figure; the test figure goes to a file that the table alone reads.

    `default` is the arm whose architecture is trained from scratch.
    """
    task, start = TASKS[cell.task], time.perf_counter()
    data = task.data(folder)
    dense = _dense(task, data, cell.seed, folder)
    graph = _made(cell, task, dense, folder, default)
    key = "-".join(map(str, cell)).replace(" ", "_")
    (folder / "test").mkdir(exist_ok=True)
    (folder / "test" / f"{key}.json").write_text(json.dumps(evaluate(graph, data, "test")))
    return {
        **cell._asdict(),
        "architecture": default if cell.arm == SCRATCH else None,
        "validation": evaluate(graph, data, "validation"),
        **sizes(graph, dense.graph),
        "test_file": f"test/{key}.json",
        "seconds": round(time.perf_counter() - start, 1),
    }


def _dense(task: Task, data: Data, seed: int, folder: Path) -> Dense:
    """Trained once a seed; weights in a file."""
    module, path = task.network(seed), folder / f"dense-{task.name}-{seed}.safetensors"
    graph = capture(module, data.shape)
    if path.exists():
        set_weights(graph, load_file(path))
    else:
        _train(graph, data, task.training(seed), folder)
        state = {name: tensor.clone() for name, tensor in graph.state_dict().items()}
        save_file(state, path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)
    module.load_state_dict(graph.state_dict())
    return Dense(module, graph, data, seed)


def _made(cell: Cell, task: Task, dense: Dense, folder: Path, default: str) -> fx.GraphModule:
    if cell.share == 1:
        return dense.graph
    if cell.arm == SCRATCH:
        plan = ours(default, dense, cell.share).plan
        graph = fresh(task.network(cell.seed + 1000), dense.data.shape, [plan])
        _train(graph, dense.data, task.from_scratch(cell.seed), folder)
        return graph
    if cell.arm in RIVALS:
        graph = rival(cell.arm, dense, cell.share)
    else:
        graph = ours(cell.arm, dense, cell.share).graph_module
    budget = task.finetuning(cell.seed)
    recalibrate(graph, dense.data, budget)
    _train(graph, dense.data, budget, folder)
    return graph


def _train(graph: fx.GraphModule, data: Data, cfg: TrainConfig, folder: Path) -> None:
    scratch = folder / f"scratch-{os.getpid()}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    loss = torch.nn.functional.cross_entropy
    fit(graph, data, lambda _, outputs, targets: loss(outputs, targets), cfg, scratch)
    shutil.rmtree(scratch)
