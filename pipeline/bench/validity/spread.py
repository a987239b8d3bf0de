"""Rules about the processes as a group: enough of them, alike, and whole."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence

from pipeline.bench.records import Caution, Level
from pipeline.bench.session_warnings import SessionWarning
from pipeline.bench.validity import limits
from pipeline.bench.validity.evidence import Evidence, caution


def medians(evidence: Evidence) -> Iterator[Caution]:
    """Few processes of an arm, or such as differ much."""
    for arm, processes in evidence.arms.items():
        values = [statistics.median(p.event.get("steady_ns") or p.samples) for p in processes]
        if len(values) < limits.ENOUGH:
            said = f"{len(values)} of '{arm}', {limits.ENOUGH} give an interval"
            yield caution(SessionWarning.FEW_PROCESSES, Level.CAUTION, said)
        elif (found := spread(values)) > limits.SPREAD * (1 + 2 / math.sqrt(2 * len(values))):
            said = f"the medians of '{arm}' spread by {found:.0%}"
            yield caution(SessionWarning.UNSTEADY, Level.CAUTION, said)


def failures(evidence: Evidence) -> Iterator[Caution]:
    """Processes that gave no figures."""
    failed = [e for e in evidence.events if e["event"] == "failed"]
    if failed:
        yield caution(SessionWarning.FAILED_PROCESSES, Level.CAUTION, f"{len(failed)} failed")


def spread(values: Sequence[float]) -> float:
    """Robust relative standard deviation: 1.4826 times the median absolute deviation."""
    middle = statistics.median(values)
    return 1.4826 * statistics.median(abs(v - middle) for v in values) / middle
