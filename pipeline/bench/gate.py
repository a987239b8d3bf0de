"""`latency>+3%`: what a measured figure must not do, as one expression.

    METRIC>BOUND or METRIC<BOUND     says when to fail

A bound with a sign and a percentage is a change against the baseline; for accuracy it is one in
percentage points. Any other bound is absolute and has a unit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pipeline.bench.records import Unit
from pipeline.errors import UsageError

METRICS = {
    "latency": "latency_p50",
    "p90": "latency_p90",
    "p99": "latency_p99",
    "load": "load",
    "memory": "memory_peak",
    "size": "file_size",
    "accuracy": "accuracy",
    "energy": "energy_net",
}
KINDS: dict[str, tuple[Unit, ...]] = {
    "memory": ("bytes",), "size": ("bytes",), "accuracy": ("fraction",), "energy": ("mJ",),
}  # fmt: skip
"""What an absolute bound can be in; the others are times, or counts in their place."""
UNITS: dict[str, tuple[Unit, float]] = {
    "ns": ("ns", 1), "us": ("ns", 1e3), "µs": ("ns", 1e3), "ms": ("ns", 1e6), "s": ("ns", 1e9),
    "B": ("bytes", 1), "KiB": ("bytes", 1024), "MiB": ("bytes", 1024**2),
    "%": ("fraction", 0.01), "mJ": ("mJ", 1), "J": ("mJ", 1000),
    "instructions": ("instructions", 1),
}  # fmt: skip
_FORM = re.compile(r"\s*([a-z0-9]+)\s*([<>])\s*([+-]?)(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-zµ%]+)\s*")
_HELP = "write it as latency>+3%, p99>20ms, memory>64MiB, size>+0%, accuracy<-1% or accuracy<90%"


@dataclass(frozen=True)
class Gate:
    """Fails where `metric` is above (or not `above`: below) the bound, in `unit`.

    A change against the baseline has no unit: the bound is a share, 0.03 for +3%.
    """

    text: str
    metric: str
    above: bool
    bound: float
    unit: Unit | None

    @property
    def row(self) -> str:
        """The name that the metric's figure has in a record."""
        return METRICS[self.metric]


def parse(text: str) -> Gate:
    """One expression.

    Raises:
        UsageError: it is none, and what the valid ones look like.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise _refused(text, "is no bound", _HELP)
    metric, op, sign, number, unit = form.groups()
    if metric not in METRICS:
        raise _refused(text, f"'{metric}' is no metric", f"one of {', '.join(METRICS)}")
    if unit not in UNITS:
        raise _refused(text, f"'{unit}' is no unit", f"one of {', '.join(UNITS)}")
    value = float(sign + number)
    if unit == "%" and (sign or metric != "accuracy"):
        if not sign:
            fix = f"write {metric}{op}+{number}% or {metric}{op}-{number}%"
            raise _refused(text, "a change against the baseline has a sign", fix)
        return Gate(text, metric, op == ">", value / 100, None)
    if sign:
        raise _refused(text, "an absolute bound has no sign", _HELP)
    kind, factor = UNITS[unit]
    kinds = KINDS.get(metric, ("ns", "instructions"))
    if kind not in kinds:
        fitting = [name for name, (other, _) in UNITS.items() if other in kinds]
        raise _refused(text, f"{metric} is not in {unit}", f"one of {', '.join(fitting)}")
    return Gate(text, metric, op == ">", value * factor, kind)


def _refused(text: str, what: str, fix: str) -> UsageError:
    return UsageError(what, where=f"--fail-on '{text}'", fix=fix)
