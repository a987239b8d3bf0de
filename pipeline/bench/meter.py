"""A meter beside the board during a session: what it read, and pings to set the clocks by."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pipeline.bench.results import Event
from pipeline.board.meters import Meter, opened
from pipeline.board.meters.sampler import Sampler
from pipeline.board.session import OnEvent

PING_S = 0.5
STATED = ("scope", "gain", "offset_w", "resolution_w", "averaging_s", "basis")

Write = Callable[[bytes], None]


class Beside:
    """Reads the meter, and pings the board's agent, while a job runs."""

    def __init__(self, meter: Meter, config: Mapping[str, Any]) -> None:
        self._meter, self._config = meter, config
        self._sampler = Sampler(meter, config["interval_ms"] / 1000)
        self._sent: dict[str, int] = {}
        self._pings: list[list[int]] = []
        self._marked, self._over = threading.Event(), threading.Event()
        self._pinging: threading.Thread | None = None

    def ready(self, write: Write) -> None:
        """The job is under way: read the meter; pings wait for its energy part (`marker`)."""
        self._sampler.start()
        self._pinging = threading.Thread(target=self._ping, args=(write,), daemon=True)
        self._pinging.start()

    def hears(self, on_event: OnEvent) -> OnEvent:
        """`on_event`, with the time of each pong's arrival taken first."""

        def heard(event: Event) -> None:
            received = time.perf_counter_ns()
            sent = self._sent.pop(event["ping"], None) if event["event"] == "pong" else None
            if sent is not None:
                self._pings.append([sent, event["t_ns"], received])
            if event["event"] == "marker":
                self._marked.set()
            on_event(event)

        return heard

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Around a job, however it ends: `ready` begins to read, the end of the block ends it."""
        try:
            yield
        finally:
            self._over.set()
            self._marked.set()
            if self._pinging is not None:
                self._pinging.join()
                self._sampler.stop()

    def events(self) -> list[Event]:
        """What was read, as events of the session; times are those of this machine's clock."""
        about = {"name": self._meter.identity(), "kind": self._config["kind"]}
        stated = {name: self._config[name] for name in STATED if name in self._config}
        return [
            {
                "event": "metered",
                "sensor": self._config["kind"],
                "channel": "meter",
                "about": about,
                "stated": stated,
                "rows": [list(row) for row in self._sampler.rows],
                "missed": self._sampler.missed,
                "problems": self._meter.problems(),
                "pings": self._pings,
            }
        ]

    def _ping(self, write: Write) -> None:
        number = 0
        self._marked.wait()
        while not self._over.wait(PING_S if number else 0):
            number += 1
            self._sent[str(number)] = time.perf_counter_ns()
            try:
                write(f"ping {number}\n".encode())
            except (OSError, ValueError):
                return


@contextlib.contextmanager
def beside(config: Mapping[str, Any] | None) -> Iterator[Beside | None]:
    """The lab file's meter, open and answering; None where there is none.

    Raises:
        BoardUnreachable, Refused: see `meters.opened`.
    """
    if config is None:
        yield None
        return
    meter = opened(config)
    try:
        yield Beside(meter, config)
    finally:
        meter.close()
