"""Sensors of energy: each one a module here with two functions, found by its name.

`find(root)` -> {channel: {fixed fact: raw text}}; `read(root, channel)` -> raw text or None.
A channel that cannot be read gives no row: not measured is absent, never 0. A module whose reading
costs much names a `LEAST_INTERVAL_MS`.

Readings are taken at random times around their interval: a meter that looks at fixed times sees a
periodic load always at the same phases, and no statistics can tell.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import random
import threading
from collections.abc import Iterator
from time import perf_counter_ns
from typing import Any

from ..protocol import Channel
from ..spec import BadSpec

Channels = dict[str, dict[str, str]]
FLUSH_ROWS = 50


def names() -> list[str]:
    """Every sensor there is a module for."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def module(name: str) -> Any:
    """The sensor of that name. Raises BadSpec."""
    if name not in names():
        raise BadSpec(f"sensor {name!r} is none of {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}")


def present(root: str) -> dict[str, Channels]:
    """The sensors that this board has, with their channels."""
    found = {name: module(name).find(root) for name in names()}
    return {name: channels for name, channels in found.items() if channels}


def plan(spec: dict[str, Any]) -> list[tuple[str, Any, Channels]]:
    """(name, module, channels) of the spec's sensors that the board has."""
    wanted = [(name, module(name)) for name in spec["sensors"]]
    found = [(name, sensor, sensor.find(spec["root"])) for name, sensor in wanted]
    return [each for each in found if each[2]]


@contextlib.contextmanager
def sampling(spec: dict[str, Any], channel: Channel) -> Iterator[None]:
    """Read the spec's sensors in a thread until the block ends, sending `readings`."""
    ended = threading.Event()
    threads = [
        threading.Thread(target=_sample, args=(each, spec, ended, channel)) for each in plan(spec)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _sample(
    each: tuple[str, Any, Channels], spec: dict[str, Any], ended: threading.Event, channel: Channel
) -> None:
    """Rows [t_ns, text] a channel; t_ns is the middle of the read, on the workers' clock."""
    name, sensor, channels = each
    interval_ms = max(spec["sensor_interval_ms"], getattr(sensor, "LEAST_INTERVAL_MS", 0))
    rows: dict[str, list[tuple[int, str]]] = {key: [] for key in channels}
    last = False
    while True:
        for key in channels:
            begin = perf_counter_ns()
            text = sensor.read(spec["root"], key)
            if text is not None:
                rows[key].append(((begin + perf_counter_ns()) // 2, text))
        if last or any(len(r) >= FLUSH_ROWS for r in rows.values()):
            _flush(name, channels, rows, channel)
        if last:
            return
        last = ended.wait(interval_ms / 1000 * (0.5 + random.random()))  # noqa: S311


def _flush(
    name: str, channels: Channels, rows: dict[str, list[tuple[int, str]]], channel: Channel
) -> None:
    with contextlib.suppress(OSError):
        for key, taken in rows.items():
            if taken:
                channel.send("readings", sensor=name, channel=key, about=channels[key], rows=taken)
                rows[key] = []
