"""Events of the energy part of a session, as the agent sends them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

S = 1_000_000_000
IDLE_W = 3.0
BLOCK_S, PAUSE_S = 10, 2


def windows(arms: Sequence[str], inferences: int = 1000) -> list[dict[str, Any]]:
    """idle, block, idle, block, ... idle: each BLOCK_S long with PAUSE_S between."""
    events, t = [], PAUSE_S * S
    order: list[str | None] = [None, *(each for arm in arms for each in (arm, None))]
    for name in order:
        span = [t, t + BLOCK_S * S]
        block = {"event": "block", "arm": name, "inferences": inferences, "t_ns": span}
        events.append(block if name else {"event": "idle", "t_ns": span})
        t += (BLOCK_S + PAUSE_S) * S
    return events


def readings(
    events: Sequence[Mapping[str, Any]], draws: Mapping[str, float], *, label: str = "VDD_IN",
    noise_w: float = 0.01, clock_ns: int = 0, sensor: str = "hwmon",
) -> list[dict[str, Any]]:  # fmt: skip
    """Power over the windows, arms drawing so much more than idle, in two events of a channel."""
    chance = np.random.default_rng(1)
    end_s = max(e["t_ns"][1] for e in events) / S + 2
    times = np.cumsum(0.1 * (0.5 + chance.random(round(end_s * 10))))
    watts = np.full(len(times), IDLE_W) + chance.normal(0, noise_w, len(times))
    for event in events:
        begin, end = (t / S for t in event["t_ns"])
        if event["event"] == "block":
            watts[(times >= begin - 0.5) & (times < end + 0.5)] += draws[event["arm"]]
    texts = [f"{w:.6E}" if sensor == "scpi" else f"{w * 1e6:.0f}" for w in watts]
    rows = [[round(t * S) + clock_ns, text] for t, text in zip(times, texts, strict=True)]
    about = {"name": "ina226", "in1_label": label, "shunt_resistor": "10000"}
    common = {"event": "readings", "sensor": sensor, "channel": f"/{label}", "about": about}
    return [{**common, "rows": rows[:70]}, {**common, "rows": rows[70:]}]


def blocks(arms: Sequence[str], draws: Mapping[str, float] | None = None) -> list[dict[str, Any]]:
    """Two blocks of each arm and what an INA226 read: 2 W over idle for everybody."""
    planned = windows([*arms, *reversed(arms)])
    return [*planned, *readings(planned, draws or dict.fromkeys(arms, 2.0))]
