"""Records for other programs: one CSV line a figure, or one JSON document."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.bench.gate_check import Finding
from pipeline.bench.records import Interval, Record
from pipeline.bench.results import Stored

FIELDS = (
    "record", "started", "recipe", "target", "emulated", "machine", "cpu", "runtime",
    "runtime_version", "arm", "name", "unit", "scope", "value", "low", "high", "n", "verdict",
    "confidence",
)  # fmt: skip


def to_csv(stored: Iterable[Stored]) -> str:
    """One line a figure; comparisons are figures named `latency_ratio`, with their verdict
    and the confidence of their interval (that of the others is 0.95).

    Emulated sessions say so in a column of their own; their ratios are `instructions_ratio`.
    What was not measured has no line, an interval that could not be had has empty ends.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    for item in stored:
        writer.writerows(_session(item.record) | line for line in _figures(item.record))
    return text.getvalue()


def to_json(stored: Sequence[Stored], findings: Sequence[Finding] = ()) -> str:
    """The records, and what their bounds came to: `{"records": [...], "gates": [...]}`."""
    records = [item.record.model_dump(mode="json") for item in stored]
    return json.dumps({"records": records, "gates": list(map(asdict, findings))}, indent=1)


def _session(record: Record) -> dict[str, Any]:
    machine = record.machine
    return {
        "record": record.id,
        "started": record.started,
        "recipe": record.recipe,
        "target": record.target,
        "emulated": record.emulated,
        "machine": machine.name,
        "cpu": machine.cpu,
        "runtime": machine.runtime,
        "runtime_version": machine.runtime_version,
    }


def _figures(record: Record) -> Iterator[dict[str, Any]]:
    for row in record.rows:
        yield row.model_dump(include={"arm", "name", "unit", "scope", "value", "n"}) | _ends(
            row.interval
        )
    for item in record.comparisons:
        yield {
            "arm": item.arm,
            "name": "instructions_ratio" if record.emulated else "latency_ratio",
            "unit": "ratio",
            "scope": f"against {item.baseline}",
            "value": item.ratio,
            "n": item.pairs,
            "verdict": item.verdict.value,
            "confidence": f"{item.confidence:.6g}",
        } | _ends(item.interval)


def _ends(interval: Interval | None) -> dict[str, Any]:
    return dict(zip(("low", "high"), interval, strict=True)) if interval else {}
