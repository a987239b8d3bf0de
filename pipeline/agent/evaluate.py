"""Outputs of a model over all its samples, for accuracy and parity to be judged on the host."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from . import runtimes, tensors
from .protocol import Channel
from .samples import Samples

BLOCK = 256
PROGRESS_S = 1.0
Outputs = dict[str, Any]


def evaluate(task: dict[str, Any], channel: Channel) -> None:
    """Write float32 outputs (samples first) to `<outputs>/<arm>.npz` and send `outputs`.

    The samples run in their order through one interpreter: a streaming model hears them as one
    stream.
    """
    if not task.get("samples"):
        raise ValueError("there are no samples to evaluate")
    interpreter, version = runtimes.load(task["runtime"])
    model = interpreter(model_path=task["model"], num_threads=task["threads"])
    tensors.check_static(model.get_input_details())
    model.allocate_tensors()
    inputs = tensors.names(model, "input")
    samples = Samples(task["samples"], model.get_input_details(), inputs)
    names = tensors.names(model, "output")
    outputs = _run(model, samples, names, channel)
    path = os.path.join(task["evaluate"]["outputs"], f"{task['arm']}.npz")
    _save(path, outputs)
    runtime = f"{task['runtime']} {version}"
    channel.send("outputs", path=path, count=samples.count, names=names, runtime=runtime)


def _run(model: Any, samples: Samples, names: list[str], channel: Channel) -> Outputs:
    """Invoke on every sample; quantize and dequantize whole blocks at once."""
    inputs = [detail["index"] for detail in model.get_input_details()]
    details = model.get_output_details()
    blocks: list[list[Any]] = [[] for _ in details]
    told = time.monotonic()
    for start in range(0, samples.count, BLOCK):
        raw: list[list[Any]] = [[] for _ in details]
        for sample in samples.block(start, start + BLOCK):
            for index, value in zip(inputs, sample):
                model.set_tensor(index, value)
            model.invoke()
            for column, detail in zip(raw, details):
                column.append(model.get_tensor(detail["index"]))
        for block, column, detail in zip(blocks, raw, details):
            block.append(tensors.dequantize(_stack(column, samples.batched), detail))
        done = min(start + BLOCK, samples.count)
        if done == samples.count or time.monotonic() - told >= PROGRESS_S:
            told = time.monotonic()
            channel.send("progress", done=done, total=samples.count)
    return {name: np.concatenate(block) for name, block in zip(names, blocks)}


def _stack(column: list[Any], batched: bool) -> Any:
    """One array with the samples first; the model's batch of 1 gives way to them."""
    if len({values.shape for values in column}) > 1:
        raise ValueError("the model's outputs change their shape from sample to sample")
    stacked = np.stack(column)
    drop = batched and stacked.ndim > 1 and stacked.shape[1] == 1
    return stacked[:, 0] if drop else stacked


def _save(path: str, outputs: Outputs) -> None:
    """Write the archive whole or not at all."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as stream:
            np.savez(stream, **outputs)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
