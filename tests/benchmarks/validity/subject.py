"""Corruptions of what was run: another file, another input, an answer that was not computed."""

from __future__ import annotations

import random

from tests.benchmarks.validity.corruptions import corruption
from tests.benchmarks.validity.edits import some
from tests.benchmarks.validity.session import Made


@corruption("arms swapped", "processes", (1, 5, 20), "WRONG_MODEL")
def swapped(made: Made, count: float, chance: random.Random) -> None:
    """An arm ran the file of the other one."""
    for process in chance.sample(made.processes, int(count)):
        other = next(arm for arm in made.models if arm != process["arm"])
        process["model_sha256"] = made.models[other].digest


@corruption("stale file on the board", "processes", (1, 5, 10), "WRONG_MODEL")
def stale(made: Made, count: float, chance: random.Random) -> None:
    """A push that did not arrive."""
    own = [p for p in made.processes if p["arm"] == "small"]
    for process in chance.sample(own, int(count)):
        process["model_sha256"] = f"{chance.randrange(2**256):064x}"


@corruption("wrong input shape", "axes", (1, 2, 4), "WRONG_INPUT")
def wrong_shape(made: Made, axes: float, chance: random.Random) -> None:
    """A resized input, or a file in another layout."""
    for process in some(made, chance, 0.5):
        shape = list(process["inputs"][0]["shape"])
        for axis in chance.sample(range(4), int(axes)):
            shape[axis] += chance.choice((1, 2, 32))
        process["inputs"][0]["shape"] = shape


@corruption("wrong input type", "processes", (1, 20), "WRONG_INPUT")
def wrong_type(made: Made, count: float, chance: random.Random) -> None:
    """Float where the file is int8."""
    for process in chance.sample(made.processes, int(count)):
        process["inputs"][0]["dtype"] = "float32"


@corruption("cached output", "times as fast", (1.2, 1.7, 3, 10, 1000), "CACHED_OUTPUT")
def cached(made: Made, factor: float, chance: random.Random) -> None:
    """The runtime knows the inputs of the window by heart; the rest of the window is empty time.

    The samples themselves are divided, so the window holds as many more of them.
    """
    for process in made.processes:
        process["known_ns"] = [max(1, round(ns / factor)) for ns in process["known_ns"]]
        samples = [max(1, round(ns / factor)) for ns in process["samples_ns"]]
        process["samples_ns"] = samples
        first = process["window_t_ns"][0]
        process["window_t_ns"][1] = first + round(sum(samples) * 1.02)
        process["usage"]["thread_cpu_ns"] = round(sum(samples) * 1.01)


@corruption("constant output", "processes", (1, 5, 20), "CONSTANT_OUTPUT")
def constant(made: Made, count: float, chance: random.Random) -> None:
    """Whatever comes in, the same goes out."""
    for process in chance.sample(made.processes, int(count)):
        for each in process["outputs"]:
            each["sha256"] = "5ca1ab1e00000000"


@corruption("below the roofline", "of the floor", (0.98, 0.9, 0.7, 0.3, 0.01), "IMPLAUSIBLE")
def below(made: Made, share: float, chance: random.Random) -> None:
    """A latency that the multiply-accumulates do not fit into, at the board's true clock."""
    for process in made.processes:
        if process["arm"] == "small":
            level = made.floors_ns["small"] * share
            usual = sorted(process["samples_ns"])[0]
            process["samples_ns"] = [
                max(1, round(ns / usual * level)) for ns in process["samples_ns"]
            ]
