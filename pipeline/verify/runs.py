"""Model files run over samples in one runtime, by the agent's own worker under its Python."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.board.session import PROTOCOL
from pipeline.board.session import run as run_agent

WARMUP_NS, WINDOW_NS = 50_000_000, 100_000_000


@dataclass(frozen=True)
class Job:
    """One file over samples, .npy or .npz, which are in the file's layout."""

    name: str
    model: Path
    samples: Path


@dataclass
class Run:
    """What a runtime made of its jobs: outputs by job, or why there are none."""

    runtime: str = ""
    outputs: dict[str, dict[str, NDArray[np.float32]]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def evaluate(
    python: Path, runtime: str, jobs: Sequence[Job], folder: Path, timeout_s: float
) -> Run:
    """Run each job in a fresh process; where one aborts or refuses its file, that is its result."""
    arms = [{"name": j.name, "model": str(j.model), "samples": str(j.samples)} for j in jobs]
    result = Run()
    for event in _agent(
        python, timeout_s, job="evaluate", runtime=runtime, arms=arms,
        evaluate={"outputs": str(folder)},
    ):  # fmt: skip
        if event["event"] == "outputs":
            with np.load(event["path"]) as stored:
                result.outputs[event["arm"]] = dict(stored)
            result.runtime = event["runtime"]
        elif event["event"] == "failed":
            result.failures[event["arm"]] = reason(event)
    return result


def partitions(python: Path, runtime: str, model: Path, timeout_s: float) -> dict[str, Any]:
    """How many delegate partitions a file falls into, and which operators stay outside them."""
    arms = [{"name": "model", "model": str(model)}]
    for event in _agent(python, timeout_s, job="inspect", runtime=runtime, arms=arms):
        if event["event"] == "inspected":
            outside = Counter(event["not_delegated"])
            return {
                "partitions": event["delegates"],
                "not_delegated": dict(sorted(outside.items())),
            }
    return {"partitions": None, "not_delegated": {}}


def latency_ms(python: Path, runtime: str, model: Path, timeout_s: float) -> float | None:
    """Median of one short process with random inputs; None where it fails. No basis for a verdict.

    A comparison is made by `bench.measure`.
    """
    arms = [{"name": "model", "model": str(model)}]
    for event in _agent(
        python, timeout_s, job="measure", runtime=runtime, arms=arms, order=[0],
        warmup_ns=WARMUP_NS, window_ns=WINDOW_NS, min_iterations=3, max_iterations=10_000,
    ):  # fmt: skip
        if event["event"] == "process" and event["samples_ns"]:
            return float(np.median(event["samples_ns"])) / 1e6
    return None


def _agent(python: Path, timeout_s: float, **spec: Any) -> list[dict[str, Any]]:
    whole = {"protocol": PROTOCOL, "threads": 1, "process_timeout_s": timeout_s, **spec}
    return run_agent(python, whole, timeout_s=timeout_s)


def reason(event: Mapping[str, Any]) -> str:
    """Why a worker failed, with the last line it printed where it died by a signal."""
    lines = [line.strip() for line in (event.get("stderr") or "").splitlines() if line.strip()]
    text = str(event["reason"])
    return f"{text}: {lines[-1]}" if event.get("signal") and lines else text
