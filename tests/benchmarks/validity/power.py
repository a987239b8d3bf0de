"""What a sound power sensor tells over the energy part of a session: idle, A, idle, B, idle."""

from __future__ import annotations

import random
from typing import Any

S = 1_000_000_000
BLOCK_S, PAUSE_S, EVERY_S = 10.0, 2.0, 0.1
RANGE_UJ = 262_143_328_850
Event = dict[str, Any]


def energy_part(chance: random.Random, start_ns: int, sensor: str) -> list[Event]:
    """Blocks and the readings of an INA226 (uW, its own step) or of a RAPL counter (uJ)."""
    blocks, t_s = [], PAUSE_S
    for arm in (None, "dense", None, "small", None):
        span = [start_ns + round(t_s * S), start_ns + round((t_s + BLOCK_S) * S)]
        blocks.append(
            {"event": "block", "arm": arm, "inferences": 1000, "t_ns": span}
            if arm
            else {"event": "idle", "t_ns": span}
        )
        t_s += BLOCK_S + PAUSE_S
    return [*blocks, _readings(chance, start_ns, blocks, t_s, sensor)]


def _readings(
    chance: random.Random, start_ns: int, blocks: list[Event], end_s: float, sensor: str
) -> Event:
    idle_w, step_uw = chance.uniform(1.5, 4), chance.choice((625, 2500, 25_000))
    work_w = {None: 0.0, "dense": chance.uniform(1, 4), "small": chance.uniform(0.5, 3)}
    rows, t_s, joules = [], 0.0, chance.uniform(0.1, 0.9) * RANGE_UJ * 1e-6
    while t_s < end_s:
        step = EVERY_S * chance.uniform(0.9, 1.1)
        t_s += step
        t_ns = start_ns + round(t_s * S)
        arm = next((b["arm"] for b in blocks if "arm" in b and b["t_ns"][0] <= t_ns < b["t_ns"][1]),
                   None)  # fmt: skip
        watts = idle_w + work_w[arm] + chance.gauss(0, 0.03)
        joules = (joules + watts * step) % (RANGE_UJ * 1e-6)
        text = f"{joules * 1e6:.0f}" if sensor == "rapl" else _steps(watts, step_uw)
        rows.append([t_ns, text])
    about = {"name": "ina226", "in1_label": "VDD_IN", "shunt_resistor": "10000"}
    if sensor == "rapl":
        about = {"name": "package-0", "max_energy_range_uj": str(RANGE_UJ)}
    return {
        "event": "readings", "sensor": sensor, "channel": f"/{sensor}", "about": about, "rows": rows
    }  # fmt: skip


def _steps(watts: float, step_uw: int) -> str:
    return str(round(watts * 1e6 / step_uw) * step_uw)
