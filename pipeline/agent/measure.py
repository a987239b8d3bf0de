"""One measured process: load, first inference, warm-up, and raw samples of steady inference."""

from __future__ import annotations

import gc
import os
import resource
from time import perf_counter_ns, process_time_ns, thread_time_ns
from typing import Any

from . import clocks, cycles, perf
from .loop import Loop
from .memory import Account
from .protocol import Channel

POOL = 16
LEAST_REQUESTS = 20


def measure(task: dict[str, Any], channel: Channel) -> None:
    """Send `process`: latencies in ns (CLOCK_MONOTONIC), memory in KiB by cause, and evidence.

    Only `invoke` is inside the clock; setting the input is outside of it. In the paced regime the
    samples run from the scheduled arrival, and `service_ns` are the inferences alone.
    """
    account = Account()
    import numpy  # noqa: F401  (so that its weight is not booked to the runtime)

    account.note("python")
    opened = _open(task, account)
    from . import evidence, soak

    pool, loop, model = opened.pop("pool"), opened.pop("loop"), opened.pop("model")
    first = loop.run(pool, window_ns=0, least=1, most=1)
    warm = _warm_up(loop, pool, task)
    sustained = task["regime"] == "sustained"
    soaked = {"soak": soak.until_steady(loop, pool, task, channel)} if sustained else {}
    chain, here = cycles.chain(), evidence.place()
    before = {"clock_mhz": cycles.clock_mhz(chain), "states": evidence.states(task["root"])}
    steady = _steady(loop, pool, task)
    after = {"states": evidence.states(task["root"]), "clock_mhz": cycles.clock_mhz(chain)}
    memory = account.report()
    channel.send(
        "process",
        pid=os.getpid(),
        threads=task["threads"],
        regime=task["regime"],
        asked_affinity=task["affinity"],
        at_begin=here,
        at_end=evidence.place(),
        tick_ns=clocks.tick_ns(),
        around={"before": before, "after": after},
        **opened,
        first_ns=first[0],
        warmup_ns=list(warm),
        **soaked,
        **steady,
        **memory,
        **evidence.answers(model, loop.indices, pool),
        model_sha256=evidence.file_sha256(task["model"]),
    )


def _open(task: dict[str, Any], account: Account) -> dict[str, Any]:
    """Import the runtime, load the file and make its inputs, with times and memory of each."""
    from . import runtimes, samples, tensors

    faults = resource.getrusage(resource.RUSAGE_SELF).ru_majflt
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
        "load_major_faults": resource.getrusage(resource.RUSAGE_SELF).ru_majflt - faults,
        "inputs": [tensors.describe(detail) for detail in details],
        "pool": pool,
        "model": model,
        "loop": Loop(model, [detail["index"] for detail in details]),
    }


def _period_ns(task: dict[str, Any]) -> int:
    rate_hz: float = task["rate_hz"]
    return round(1e9 / rate_hz)


def _warm_up(loop: Loop, pool: Any, task: dict[str, Any]) -> Any:
    """Run for the warm-up's time, at the rate of the window where there is one."""
    if task["regime"] == "paced":
        period = _period_ns(task)
        return loop.paced(pool, period, max(1, task["warmup_ns"] // period)).latency
    return loop.run(pool, task["warmup_ns"], 0, task["max_iterations"])


def _window(loop: Loop, pool: Any, task: dict[str, Any]) -> dict[str, Any]:
    """The samples of the measured window."""
    if task["regime"] == "paced":
        period = _period_ns(task)
        requests = max(LEAST_REQUESTS, -(-task["window_ns"] // period))
        done = loop.paced(pool, period, min(requests, task["max_iterations"]))
        return {"samples_ns": done.latency, "service_ns": done.service}
    window, least, most = task["window_ns"], task["min_iterations"], task["max_iterations"]
    return {"samples_ns": loop.run(pool, window, least, most)}


def _steady(loop: Loop, pool: Any, task: dict[str, Any]) -> dict[str, Any]:
    """The measured window: samples, its bounds on the agent's clock, and what it used."""
    gc.collect()
    gc.disable()
    counter, first = perf.Cycles(), clocks.together()
    before = resource.getrusage(resource.RUSAGE_SELF)
    cpu, own, begin = process_time_ns(), thread_time_ns(), perf_counter_ns()
    found = _window(loop, pool, task)
    end, used, own_used = perf_counter_ns(), process_time_ns() - cpu, thread_time_ns() - own
    after = resource.getrusage(resource.RUSAGE_SELF)
    mhz, last = counter.mhz(), clocks.together()
    counter.close()
    usage = {
        "minor_faults": after.ru_minflt - before.ru_minflt,
        "major_faults": after.ru_majflt - before.ru_majflt,
        "voluntary_switches": after.ru_nvcsw - before.ru_nvcsw,
        "involuntary_switches": after.ru_nivcsw - before.ru_nivcsw,
        "cpu_ns": used,
        "thread_cpu_ns": own_used,
    }
    return {
        **{name: list(values) for name, values in found.items()},
        "iterations": len(found["samples_ns"]),
        "window_t_ns": [begin, end],
        "window_wall_ns": end - begin + clocks.stepped_ns(first, last),
        "window_mhz": mhz,
        "usage": usage,
    }
