"""A bar over the processes of a session; silent without a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from pipeline.bench.results import Event
from pipeline.progress import Watcher, shows, watcher

OnEvent = Callable[[Event], None]
FINISHED = ("process", "failed", "outputs", "sampler", "block")


class _Told:
    """Tells a watcher of every event, heartbeats too, with the processes so far."""

    def __init__(self, by: Watcher, label: str, processes: int) -> None:
        self._by, self._label, self._processes = by, label, processes
        self._done = 0
        by.step(label, 0, processes)

    def __call__(self, event: Event) -> None:
        self._done += event["event"] in FINISHED
        self._by.step(self._label, self._done, self._processes)


@contextlib.contextmanager
def session_bar(processes: int, label: str) -> Iterator[OnEvent]:
    """Yield a callback for the agent's events that moves the bar by one a process."""
    if (by := watcher()) is not None:
        yield _Told(by, label, processes)
        return
    if not shows():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=processes)

        def moved(event: Event) -> None:
            if event["event"] in FINISHED:
                progress.update(task, advance=1, description=f"{label}: {event['arm']}")

        yield moved
