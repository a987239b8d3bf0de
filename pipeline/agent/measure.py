"""One measured process: load, first inference, warm-up, and raw samples of steady inference."""

from __future__ import annotations

import gc
import os
import resource
from array import array
from time import perf_counter_ns, process_time_ns
from typing import Any

from .memory import Account
from .protocol import Channel

POOL = 16


def measure(task: dict[str, Any], channel: Channel) -> None:
    """Send `process`: latencies in ns (CLOCK_MONOTONIC), memory in KiB by cause, page faults.

    Only `invoke` is inside the clock; setting the input is outside of it.
    """
    account = Account()
    import numpy  # noqa: F401  (so that its weight is not booked to the runtime)

    account.note("python")
    opened = _open(task, account)
    inputs, loop = opened.pop("inputs_pool"), opened.pop("loop")
    first = loop.run(inputs, window_ns=0, least=1, most=1)
    warm = loop.run(inputs, task["warmup_ns"], 0, task["max_iterations"])
    steady = _steady(loop, inputs, task)
    channel.send(
        "process",
        pid=os.getpid(),
        threads=task["threads"],
        affinity=sorted(os.sched_getaffinity(0)),
        **opened,
        first_ns=first[0],
        warmup_ns=list(warm),
        **steady,
        **account.report(),
    )


def _open(task: dict[str, Any], account: Account) -> dict[str, Any]:
    """Import the runtime, load the file and make its inputs, with times and memory of each."""
    from . import runtimes, samples, tensors

    begin = perf_counter_ns()
    interpreter, version = runtimes.load(task["runtime"])
    imported = perf_counter_ns()
    account.note("runtime")
    at_load = perf_counter_ns()
    model = interpreter(model_path=task["model"], num_threads=task["threads"])
    loaded = perf_counter_ns()
    account.note("model")
    tensors.check_static(model.get_input_details())
    at_arena = perf_counter_ns()
    model.allocate_tensors()
    allocated = perf_counter_ns()
    account.note("arena")
    details = model.get_input_details()
    pool = samples.pool(model, task.get("samples"), POOL)
    account.note("inputs")
    account.loaded()
    return {
        "runtime": f"{task['runtime']} {version}",
        "import_ns": imported - begin,
        "load_ns": (loaded - at_load) + (allocated - at_arena),
        "allocate_ns": allocated - at_arena,
        "inputs": [tensors.describe(detail) for detail in details],
        "inputs_pool": pool,
        "loop": Loop(model, [detail["index"] for detail in details]),
    }


class Loop:
    """Runs inference after inference and keeps each one's time."""

    def __init__(self, model: Any, indices: list[int]) -> None:
        self._model, self._indices = model, indices

    def run(self, pool: list[list[Any]], window_ns: int, least: int, most: int) -> array[int]:
        """Durations in ns until the window is over, but at least `least` and at most `most`."""
        durations = array("q")
        invoke, set_tensor = self._model.invoke, self._model.set_tensor
        end = perf_counter_ns() + window_ns
        while len(durations) < most:
            for index, value in zip(self._indices, pool[len(durations) % len(pool)]):
                set_tensor(index, value)
            begin = perf_counter_ns()
            invoke()
            stop = perf_counter_ns()
            durations.append(stop - begin)
            if stop >= end and len(durations) >= least:
                break
        return durations


def _steady(loop: Loop, pool: list[list[Any]], task: dict[str, Any]) -> dict[str, Any]:
    """The measured window: samples, its bounds on the agent's clock, and what it used."""
    gc.collect()
    gc.disable()
    before, cpu, begin = (
        resource.getrusage(resource.RUSAGE_SELF),
        process_time_ns(),
        perf_counter_ns(),
    )
    durations = loop.run(pool, task["window_ns"], task["min_iterations"], task["max_iterations"])
    end, used = perf_counter_ns(), process_time_ns() - cpu
    after = resource.getrusage(resource.RUSAGE_SELF)
    usage = {
        "minor_faults": after.ru_minflt - before.ru_minflt,
        "major_faults": after.ru_majflt - before.ru_majflt,
        "voluntary_switches": after.ru_nvcsw - before.ru_nvcsw,
        "involuntary_switches": after.ru_nivcsw - before.ru_nivcsw,
        "cpu_ns": used,
    }
    return {"samples_ns": list(durations), "window_t_ns": [begin, end], "usage": usage}
