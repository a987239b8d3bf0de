"""The job that the host sends: one JSON object, checked before any work starts."""

from __future__ import annotations

import json
from typing import Any

from .protocol import PROTOCOL

ENERGY: dict[str, Any] = {
    "order": [],
    "sampler": [],
    "metered": False,
    "block_ns": 10_000_000_000,
    "settle_ns": 2_000_000_000,
    "margin_ns": 500_000_000,
}
JOBS = ("measure", "evaluate", "inspect", "check", "facts")
REGIMES = ("burst", "sustained", "paced")
DEFAULTS: dict[str, Any] = {
    "arms": [],
    "threads": 1,
    "affinity": None,
    "regime": "burst",
    "rate_hz": None,
    "soak_limit_s": 180,
    "site": [],
    "process_timeout_s": 120,
    "warmup_ns": 500_000_000,
    "window_ns": 1_000_000_000,
    "min_iterations": 10,
    "max_iterations": 10_000,
    "evaluate": None,
    "governor": None,
    "sensors": [],
    "sensor_interval_ms": 100,
    "watch_interval_ms": 500,
    "energy": None,
    "root": "",
    "state": None,
}


class BadSpec(Exception):
    """The spec cannot be run; the message says why in one line."""


def parse(line: bytes) -> dict[str, Any]:
    """Spec with defaults filled in. Raises BadSpec."""
    try:
        given = json.loads(line)
    except ValueError as problem:
        raise BadSpec(f"the spec is not JSON: {problem}") from None
    if not isinstance(given, dict):
        raise BadSpec("the spec is not a JSON object")
    spec = {**DEFAULTS, **given}
    _check(spec)
    return spec


def _check(spec: dict[str, Any]) -> None:
    """Refuse what no worker could run."""
    if spec.get("protocol") != PROTOCOL:
        raise BadSpec(f"protocol {spec.get('protocol')!r}, this agent speaks {PROTOCOL}")
    if spec.get("job") not in JOBS:
        raise BadSpec(f"job {spec.get('job')!r} is none of {', '.join(JOBS)}")
    spec.setdefault("order", list(range(len(spec["arms"]))))
    if spec["job"] != "facts" and not spec["arms"]:
        raise BadSpec("no arms")
    for arm in spec["arms"]:
        missing = {"name", "model"} - set(arm)
        if missing:
            raise BadSpec(f"an arm has no {', '.join(sorted(missing))}")
    if spec["energy"] is not None:
        spec["energy"] = {**ENERGY, **spec["energy"]}
    order = [*spec["order"], *(spec["energy"] or ENERGY)["order"]]
    strangers = [i for i in order if i not in range(len(spec["arms"]))]
    if strangers:
        raise BadSpec(f"order names arm {strangers[0]}, there are {len(spec['arms'])}")
    if spec["regime"] not in REGIMES:
        raise BadSpec(f"regime {spec['regime']!r} is none of {', '.join(REGIMES)}")
    if spec["regime"] == "paced" and not (spec["rate_hz"] or 0) > 0:
        raise BadSpec(f"regime paced needs rate_hz above 0, it is {spec['rate_hz']!r}")
    if spec["job"] == "evaluate" and not spec["evaluate"]:
        raise BadSpec("job evaluate without a folder for its outputs")


def task(spec: dict[str, Any], index: int, job: str) -> dict[str, Any]:
    """What one worker needs to know: the spec's settings, with those of its arm over them."""
    shared = {k: v for k, v in spec.items() if k not in ("arms", "order")}
    arm = spec["arms"][index]
    return {**shared, **arm, "job": job, "arm": arm["name"]}
