"""How long a tool takes."""

from __future__ import annotations

import time


class Clock:
    """Time since the last lap: of the clock on the wall, and of this process on its one thread."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def lap(self, name: str) -> dict[str, float]:
        before = self.wall, self.cpu
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return {f"{name}_s": self.wall - before[0], f"{name}_cpu_s": self.cpu - before[1]}
