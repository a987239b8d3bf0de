"""The energy part of a job: work between idle blocks, and what reading the sensors costs."""

from __future__ import annotations

import contextlib
import time
from time import perf_counter_ns
from typing import Any

from . import process, sensors
from .protocol import Channel
from .spec import task

MARKER_S = (0.3, 0.2, 0.1, 0.4, 0.5, 0.1, 0.2, 0.3)
"""Busy, idle, busy, ...: uneven, so that the pattern is like itself at one place only."""


class Renamed(Channel):
    """A channel on which a `process` is a `sampler`: no latency figure of the session."""

    def __init__(self, channel: Channel, sampled: bool) -> None:
        self._channel, self._sampled = channel, sampled

    def send(self, event: str, **fields: Any) -> None:
        """Forward one event."""
        if event == "process":
            self._channel.send("sampler", sampled=self._sampled, **fields)
        else:
            self._channel.send(event, **fields)


def run(spec: dict[str, Any], channel: Channel) -> None:
    """Do the spec's `energy`, where there is a sensor, or the host says that it reads a meter.

    Sends `idle` and `block` windows, `marker` edges, and for the sampler's own cost `sampler`
    processes of the first arm with the sensors read and not read.
    """
    energy = spec["energy"]
    found = bool(sensors.plan(spec))
    if not energy or not (found or energy["metered"]):
        return
    index = len(spec["order"])
    if found:
        for sampled in energy["sampler"]:
            with sensors.sampling(spec, channel) if sampled else contextlib.nullcontext():
                process.run(index, task(spec, 0, "measure"), Renamed(channel, sampled))
            index += 1
    with sensors.sampling(spec, channel):
        if energy["metered"]:
            _mark(channel)
        _idle(energy, channel)
        for arm in energy["order"]:
            process.run(index, task(spec, arm, "draw"), channel)
            _idle(energy, channel)
            index += 1


def _idle(energy: dict[str, Any], channel: Channel) -> None:
    """Let the board settle, then do nothing for a block."""
    time.sleep(energy["settle_ns"] * 1e-9)
    begin = perf_counter_ns()
    time.sleep(energy["block_ns"] * 1e-9)
    channel.send("idle", t_ns=[begin, perf_counter_ns()])
    time.sleep(energy["margin_ns"] * 1e-9)


def _mark(channel: Channel) -> None:
    """Draw a pattern into the power, by which a meter's clock can be told: the edges' times."""
    edges = [perf_counter_ns()]
    for number, seconds in enumerate(MARKER_S):
        if number % 2:
            time.sleep(seconds)
        else:
            _spin(seconds)
        edges.append(perf_counter_ns())
    channel.send("marker", edges_ns=edges)


def _spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(1000))
