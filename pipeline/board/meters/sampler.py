"""Reading a meter over and over, at random times, while the board works."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

from pipeline.board.meters import Meter

Row = tuple[int, str]
"""The middle of the read on this machine's clock (ns), and the raw text."""


def sample(
    meter: Meter, interval_s: float, wait: Callable[[float], bool],
    now_ns: Callable[[], int] = time.perf_counter_ns,
) -> tuple[list[Row], int]:  # fmt: skip
    """Read until `wait(seconds)` says that it is over: (rows, readings that did not come).

    The times are random around the interval, so that a periodic load is not met at the same
    phases again and again. A line that breaks ends it: what was read counts.
    """
    rows: list[Row] = []
    missed = 0
    chance = random.Random()  # noqa: S311 (times of reading, no secret)
    while True:
        begin = now_ns()
        try:
            text = meter.read()
        except OSError:
            return rows, missed + 1
        if text is None:
            missed += 1
        else:
            rows.append(((begin + now_ns()) // 2, text))
        if wait(interval_s * (0.5 + chance.random())):
            return rows, missed


class Sampler:
    """`sample` in a thread of its own, from `start` to `stop`."""

    def __init__(self, meter: Meter, interval_s: float) -> None:
        self._meter, self._interval_s = meter, interval_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="meter", daemon=True)
        self.rows: list[Row] = []
        self.missed = 0

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read once more, then end; `rows` and `missed` are whole afterwards."""
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        self.rows, self.missed = sample(self._meter, self._interval_s, self._over.wait)
