"""A job from start to end: conditions, fresh worker processes in the given order, conditions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from . import facts, journal, process, sensors, settings
from .protocol import Channel
from .spec import task


def run(spec: dict[str, Any], channel: Channel) -> None:
    """Do the job. A worker that fails is an event; the others still run."""
    with journal.opened(spec["state"], spec["root"]) as book:
        facts.send(channel, "before", spec["root"])
        if spec["job"] == "facts":
            return
        with _conditions(spec, channel, book):
            _workers(spec, channel)
        facts.send(channel, "after", spec["root"])


@contextlib.contextmanager
def _conditions(spec: dict[str, Any], channel: Channel, book: journal.Journal) -> Iterator[None]:
    """Settings made and sensors read while the workers run."""
    if spec["governor"]:
        settings.set_governor(book, spec["governor"], spec["root"])
    with sensors.sampling(spec, channel):
        yield


def _workers(spec: dict[str, Any], channel: Channel) -> None:
    """One fresh process per entry of the order; then the outputs, where they are asked for."""
    job = spec["job"]
    if job != "evaluate":
        for index, arm in enumerate(spec["order"]):
            process.run(index, task(spec, arm, job), channel)
    if spec["evaluate"]:
        for arm in range(len(spec["arms"])):
            process.run(arm, task(spec, arm, "evaluate"), channel)
