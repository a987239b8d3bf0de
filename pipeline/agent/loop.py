"""Inference after inference: as fast as they go, or at a given rate."""

from __future__ import annotations

import time
from array import array
from time import perf_counter_ns
from typing import Any, NamedTuple

Input = list[Any]


class Paced(NamedTuple):
    """Requests that came at a rate; both in ns.

    `latency` from the scheduled arrival to the answer, waiting included; `service` of the inference
    alone.
    """

    latency: array[int]
    service: array[int]


class Loop:
    """Runs inference after inference and keeps each one's time."""

    def __init__(self, model: Any, indices: list[int]) -> None:
        self._model, self.indices = model, indices

    def run(self, pool: list[Input], window_ns: int, least: int, most: int) -> array[int]:
        """Durations in ns until the window is over, but at least `least` and at most `most`."""
        durations = array("q")
        invoke, set_tensor = self._model.invoke, self._model.set_tensor
        end = perf_counter_ns() + window_ns
        while len(durations) < most:
            for index, value in zip(self.indices, pool[len(durations) % len(pool)]):
                set_tensor(index, value)
            begin = perf_counter_ns()
            invoke()
            stop = perf_counter_ns()
            durations.append(stop - begin)
            if stop >= end and len(durations) >= least:
                break
        return durations

    def paced(self, pool: list[Input], period_ns: int, requests: int) -> Paced:
        """`requests` that arrive every `period_ns`, whether the one before is done or not.

        A request that finds the model busy waits, and its waiting counts (Tene, "coordinated
        omission"): this is what a camera at that rate sees.
        """
        done = Paced(array("q"), array("q"))
        due = perf_counter_ns() + period_ns
        for number in range(requests):
            for index, value in zip(self.indices, pool[number % len(pool)]):
                self._model.set_tensor(index, value)
            early = due - perf_counter_ns()
            if early > 0:
                time.sleep(early / 1e9)
            begin = perf_counter_ns()
            self._model.invoke()
            stop = perf_counter_ns()
            done.latency.append(stop - due)
            done.service.append(stop - begin)
            due += period_ns
        return done
