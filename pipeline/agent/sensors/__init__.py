"""Sensors of energy: each one a module here with two functions, found by its name.

`find(root)` -> {channel: {fixed fact: raw text}}; `read(root, channel)` -> raw text or None.
A channel that cannot be read gives no row: not measured is absent, never 0.
"""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
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


@contextlib.contextmanager
def sampling(spec: dict[str, Any], channel: Channel) -> Iterator[None]:
    """Read the spec's sensors in a thread until the block ends, sending `readings`."""
    plan = [(n, m, m.find(spec["root"])) for n, m in ((n, module(n)) for n in spec["sensors"])]
    ended = threading.Event()
    interval_s = spec["sensor_interval_ms"] / 1000
    threads = [
        threading.Thread(target=_sample, args=(each, spec["root"], interval_s, ended, channel))
        for each in plan
        if each[2]
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
    each: tuple[str, Any, Channels],
    root: str,
    interval_s: float,
    ended: threading.Event,
    channel: Channel,
) -> None:
    """Rows [t_ns, text] a channel; t_ns is the middle of the read, on the workers' clock."""
    name, sensor, channels = each
    rows: dict[str, list[tuple[int, str]]] = {key: [] for key in channels}
    last = False
    while not last:
        last = ended.wait(interval_s)
        for key in channels:
            begin = perf_counter_ns()
            text = sensor.read(root, key)
            if text is not None:
                rows[key].append(((begin + perf_counter_ns()) // 2, text))
        if last or any(len(r) >= FLUSH_ROWS for r in rows.values()):
            _flush(name, channels, rows, channel)


def _flush(
    name: str, channels: Channels, rows: dict[str, list[tuple[int, str]]], channel: Channel
) -> None:
    with contextlib.suppress(OSError):
        for key, taken in rows.items():
            if taken:
                channel.send("readings", sensor=name, channel=key, about=channels[key], rows=taken)
                rows[key] = []
