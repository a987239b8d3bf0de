"""How one measurement session runs: part of what is measured, so part of its record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SessionSettings:
    """A target's resolved settings. The defaults measure three small arms in about 45 s.

    `processes` are fresh processes an arm; an empty `affinity` leaves the scheduler alone.
    `emulated` marks a target whose clock counts instructions: its figures stay in a table apart.
    `sensors` are read where the board has them.
    """

    target: str
    runtime: str = "ai-edge-litert"
    threads: int = 1
    affinity: tuple[int, ...] = ()
    processes: int = 10
    warmup_ms: int = 200
    window_ms: int = 300
    samples: int = 1000
    min_iterations: int = 5
    max_iterations: int = 20_000
    process_timeout_s: float = 120.0
    seed: int = 0
    emulated: bool = False
    sensors: tuple[str, ...] = ("hwmon", "rapl")
