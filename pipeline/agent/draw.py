"""One process that draws power: inference after inference for a block, counted but not timed."""

from __future__ import annotations

import gc
import os
from time import perf_counter_ns
from typing import Any

from . import runtimes, samples, tensors
from .protocol import Channel

POOL = 16
LOOK_NS = 20_000_000


def draw(task: dict[str, Any], channel: Channel) -> None:
    """Send `block`: the window on the agent's clock, and the whole inferences inside of it.

    The same work goes on before and after the window, so that nothing begins or ends at its
    edges: an error of the clock costs little.
    """
    interpreter, version = runtimes.load(task["runtime"])
    model = interpreter(model_path=task["model"], num_threads=task["threads"])
    tensors.check_static(model.get_input_details())
    model.allocate_tensors()
    pool = samples.pool(model, task.get("samples"), POOL)
    indices = [detail["index"] for detail in model.get_input_details()]
    gc.collect()
    gc.disable()
    margin_ns = max(task["warmup_ns"], task["energy"]["margin_ns"])
    _, begin = _run(model, indices, pool, margin_ns)
    count, end = _run(model, indices, pool, task["energy"]["block_ns"])
    _run(model, indices, pool, task["energy"]["margin_ns"])
    channel.send(
        "block",
        pid=os.getpid(),
        runtime=f"{task['runtime']} {version}",
        threads=task["threads"],
        t_ns=[begin, end],
        inferences=count,
    )


def _run(model: Any, indices: list[int], pool: list[list[Any]], least_ns: int) -> tuple[int, int]:
    """(Inferences, time of their end). The clock is looked at between bundles of them only."""
    invoke, set_tensor = model.invoke, model.set_tensor
    count, bundle = 0, 1
    begin = last = perf_counter_ns()
    while last < begin + least_ns:
        for _ in range(bundle):
            for index, value in zip(indices, pool[count % len(pool)]):
                set_tensor(index, value)
            invoke()
            count += 1
        now = perf_counter_ns()
        bundle = max(1, min(bundle * 2, bundle * LOOK_NS // max(1, now - last)))
        last = now
    return count, last
