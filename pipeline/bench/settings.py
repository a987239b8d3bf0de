"""How one measurement session runs: part of what is measured, so part of its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class SessionSettings:
    """A target's resolved settings. The defaults measure three small arms in about 45 s.

    `processes` are fresh processes an arm; an empty `affinity` leaves the scheduler alone.
    `emulated` marks a target whose clock counts instructions: its figures stay in a table apart.
    `sensors` are read where the board has them, in blocks of their own; `wiring` says what the lab
    file knows of them ({sensor or label: settings}), `meter` is one that this machine reads.
    `regime` is burst (as fast as it goes), sustained
    (the same once the temperature is steady, after at most `soak_limit_s` a process) or paced
    (`rate_hz` requests a second, each due after `deadline_ms`: a period where that is None). A
    `governor` is set for the session and restored; None leaves the board's own. `max_mhz` and
    `isa` are the target's facts, a bound for what is plausible.
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
    regime: str = "burst"
    rate_hz: float | None = None
    deadline_ms: float | None = None
    soak_limit_s: float = 180.0
    governor: str | None = None
    seed: int = 0
    emulated: bool = False
    sensors: tuple[str, ...] = ("hwmon", "ina3221", "pmic", "rapl")
    sensor_interval_ms: int = 100
    energy_blocks: int = 2
    energy_block_ms: int = 10_000
    energy_settle_ms: int = 2000
    sampler_pairs: int = 4
    wiring: Mapping[str, Any] = field(default_factory=dict)
    meter: Mapping[str, Any] | None = None
    max_mhz: int | None = None
    isa: tuple[str, ...] = ()

    @property
    def deadline_ns(self) -> int | None:
        """When an answer is late in the paced regime."""
        if self.regime != "paced" or not self.rate_hz:
            return None
        return round(self.deadline_ms * 1e6 if self.deadline_ms else 1e9 / self.rate_hz)
