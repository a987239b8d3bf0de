"""A job from start to end: conditions, fresh worker processes in the given order, conditions."""

from __future__ import annotations

import contextlib
from typing import Any

from . import blocks, facts, journal, process, settings, watch
from .protocol import Channel
from .spec import task


def run(spec: dict[str, Any], channel: Channel) -> None:
    """Do the job. A worker that fails is an event; the others still run."""
    with journal.opened(spec["state"], spec["root"]) as book:
        facts.send(channel, "before", spec["root"])
        if spec["job"] == "facts":
            return
        with settings.governed(book, spec["governor"], spec["root"]):
            watcher = watch.Watch(channel, spec["root"], spec["watch_interval_ms"] / 1000)
            with _watched(watcher, spec):
                _workers(spec, channel, watcher)
            facts.send(channel, "after", spec["root"])
            blocks.run(spec, channel)


def _watched(watcher: watch.Watch, spec: dict[str, Any]) -> contextlib.AbstractContextManager[None]:
    """Only a measurement needs to be watched; an interval of 0 leaves it at the boundaries."""
    if spec["job"] != "measure" or not spec["watch_interval_ms"]:
        return contextlib.nullcontext()
    return watcher.during(spec["affinity"])


def _workers(spec: dict[str, Any], channel: Channel, watcher: watch.Watch) -> None:
    """One fresh process per entry of the order; then the outputs, where they are asked for."""
    job = spec["job"]
    if job != "evaluate":
        for index, arm in enumerate(spec["order"]):
            if job == "measure":
                watcher.boundary(index)
            process.run(index, task(spec, arm, job), channel)
        if job == "measure":
            watcher.boundary(len(spec["order"]))
    if spec["evaluate"]:
        for arm in range(len(spec["arms"])):
            process.run(arm, task(spec, arm, "evaluate"), channel)
