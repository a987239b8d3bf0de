"""Records and event streams that tests share."""

from __future__ import annotations

from typing import Any

from pipeline.bench.records import ArmEntry, Caution, Comparison, Machine, Record, Row, Verdict


def row(arm: str, name: str, unit: Any, value: float, *ends: float, scope: str = "process") -> Row:
    interval = (ends[0], ends[1]) if ends else None
    return Row(arm=arm, name=name, unit=unit, scope=scope, value=value, interval=interval, n=10)


def arm_figures(
    arm: str, accuracy: float, p50_ns: float, size: int, *, emulated: bool = False
) -> list[Row]:
    unit, scope = ("instructions", "emulated") if emulated else ("ns", "process")
    return [
        row(arm, "latency_p50", unit, p50_ns, p50_ns * 0.99, p50_ns * 1.02, scope=scope),
        row(arm, "latency_p90", unit, p50_ns * 1.1, p50_ns * 1.05, p50_ns * 1.3, scope=scope),
        row(arm, "latency_p99", unit, p50_ns * 1.5, scope=scope),
        row(arm, "memory_peak", "KiB", 30_000 + size / 1024, 29_990, 31_500),
        row(arm, "file_size", "bytes", size, scope="file"),
        row(arm, "accuracy", "fraction", accuracy, accuracy - 0.018, accuracy + 0.016),
    ]


def record(
    name: str = "20261123T101500Z-demo-local-0123abcd", *, emulated: bool = False, **changes: Any
) -> Record:
    """Three arms on a made-up board; the first is the baseline."""
    figures = {
        "dense fp32": (0.921, 2.41e6, 345_678),
        "dense int8": (0.919, 1.32e6, 98_304),
        "pruned int8": (0.902, 0.571e6, 31_744),
    }
    given: dict[str, Any] = {
        "id": name,
        "started": "2026-11-23 10:15:00 UTC",
        "recipe": "demo",
        "target": "local",
        "emulated": emulated,
        "machine": Machine(
            name="bench-pi", model="Raspberry Pi 5 Model B Rev 1.0", cpu="Cortex-A76", cpus=4,
            os="Debian GNU/Linux 12 (bookworm)", kernel="6.6.31", runtime="ai-edge-litert",
            runtime_version="2.3.0",
        ),
        "settings": {"processes": 10, "threads": 1, "window_ms": 300},
        "arms": [
            ArmEntry(name=arm, digest=arm[:2] * 32, file=f"/m/{arm}.tflite", size_bytes=size)
            for arm, (_, _, size) in figures.items()
        ],
        "rows": [
            r for arm, f in figures.items() for r in arm_figures(arm, *f, emulated=emulated)
        ],
        "comparisons": [
            comparison("dense int8", 0.5477, Verdict.FASTER),
            comparison("pruned int8", 0.2369, Verdict.UNDECIDED, pairs_needed=34),
        ],
        "cautions": [Caution(kind="HIGH_LOAD", detail="0.8 CPUs of other work")],
    }  # fmt: skip
    return Record(**{**given, **changes})


def comparison(
    arm: str, ratio: float, verdict: Verdict, pairs_needed: int | None = None
) -> Comparison:
    interval = (ratio * 0.98, ratio * 1.02)
    return Comparison(
        arm=arm, baseline="dense fp32", ratio=ratio, interval=interval, bootstrap=interval,
        pairs=10, verdict=verdict, pairs_needed=pairs_needed,
    )  # fmt: skip


def process(index: int, arm: str, samples_ns: list[int], **extra: Any) -> dict[str, Any]:
    """A `process` event as the agent sends it."""
    return {
        "event": "process",
        "index": index,
        "arm": arm,
        "load_ns": 5_000_000,
        "first_ns": 900_000,
        "warmup_ns": [samples_ns[0]],
        "samples_ns": samples_ns,
        "memory_kib": {"python": 20_000, "runtime": 9_000, "peak": 31_000},
        "runtime": "ai-edge-litert 2.3.0",
        **extra,
    }
