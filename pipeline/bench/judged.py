"""The rule of a session, applied to raw samples of anybody's."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.bench.quantiles import CONFIDENCE
from pipeline.bench.records import Row
from pipeline.bench.rows import arm_rows
from pipeline.bench.steady import Steady, classify
from pipeline.bench.traces import Traces
from pipeline.bench.verdict import BAND, Decision, decide

BASELINE, CANDIDATE = "a", "b"
RULE = (
    "Student's interval of the trimmed mean log-ratio of paired process medians decides; "
    "the BCa bootstrap stands beside it, for it is too narrow where pairs are few"
)


@dataclass(frozen=True)
class Judged:
    """The decision on b against a, the figures of both, and what their processes did."""

    traces: Traces
    decision: Decision
    rows: list[Row]
    steady: dict[str, list[Steady]]

    def counts(self, arm: str) -> dict[str, int]:
        """{class: processes of it}, of the arm's processes that have samples."""
        found = Counter(steady.steadiness.value for steady in self.steady[arm])
        return dict(sorted(found.items()))

    def left_out(self, arm: str) -> int:
        """Samples of the arm's warm-up."""
        return sum(steady.start for steady in self.steady[arm])

    def document(self) -> dict[str, Any]:
        """All of it, for `--json`."""
        return {
            **vars(self.decision),
            "band": [math.exp(-BAND), math.exp(BAND)],
            "error_rate": round(1 - CONFIDENCE, 9),
            "rule": RULE,
            "paired": "by index" if self.traces.by_index else "as given",
            "pairs_lost": self.traces.lost,
            "arms": {arm: self._arm(arm) for arm in (BASELINE, CANDIDATE)},
        }

    def _arm(self, arm: str) -> dict[str, Any]:
        figures = {
            f"{row.name.removeprefix('latency_')}_ns": {
                "value": row.value, "interval": row.interval
            }
            for row in self.rows if row.arm == arm
        }  # fmt: skip
        return {
            "processes": len(self.steady[arm]),
            "steadiness": self.counts(arm),
            "samples_left_out": self.left_out(arm),
            **figures,
        }


def judge_traces(traces: Traces) -> Judged:
    """Classify every process, take the medians of their steady samples, and decide."""
    arms = {BASELINE: traces.a, CANDIDATE: traces.b}
    each = [(arm, i) for arm, processes in arms.items() for i, p in enumerate(processes) if p]
    classes = classify([arms[arm][i] for arm, i in each])
    kept = {
        (arm, i): arms[arm][i][steady.start :]
        for (arm, i), steady in zip(each, classes, strict=True)
    }
    medians = {key: statistics.median(samples) for key, samples in kept.items()}
    decision = decide(
        [medians[BASELINE, i] for i, _ in traces.pairs],
        [medians[CANDIDATE, j] for _, j in traces.pairs],
    )
    steady = {
        arm: [s for (name, _), s in zip(each, classes, strict=True) if name == arm] for arm in arms
    }
    rows = [
        row for arm in arms for row in _figures(arm, [s for k, s in kept.items() if k[0] == arm])
    ]
    return Judged(traces, decision, rows, steady)


def _figures(arm: str, processes: Sequence[Sequence[float]]) -> list[Row]:
    events = [{"samples_ns": samples, "steady_ns": samples} for samples in processes]
    return list(arm_rows(arm, events, emulated=False))
