"""What a release is checked with on its board: an input, and the output that it gives here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.artifacts import file_digest
from pipeline.board import session
from pipeline.board.runtimes import python_for
from pipeline.errors import SecateurError
from pipeline.paths import cache_dir
from pipeline.progress import working

PAIR = "check.npz"
TIMEOUT_S = 120
STEPS = 1
STEPS_ACROSS = 2
"""Of an integer output: in the same runtime, and in another one, whose kernels round otherwise."""


def pair(model: Path, runtime: str) -> tuple[Path | None, dict[str, str]]:
    """The file of the pair of a model, and what its release's manifest says of it.

    There is none, with the reason, where this machine cannot run the file, or not twice alike.
    """
    if model.suffix != ".tflite":
        return None, {"none": f"{model.name} is no .tflite file"}
    path = cache_dir() / "pairs" / f"{file_digest(model)[:24]}-{runtime}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with working("the pair to check it with"):
            made = _job(model, runtime, path, make=True)
            again = _job(model, runtime, path, make=False) if "runtime" in made else made
    except SecateurError as problem:
        return None, {"none": problem.what}
    if not again.get("within"):
        return None, {"none": again.get("reason", "it does not answer the same twice")}
    return path, {"file": PAIR, "runtime": made["runtime"]}


def arm(model: str, pair: str, *, make: bool, steps: int) -> dict[str, Any]:
    """The arm of an agent's `check`."""
    return {"name": "release", "model": model,
            "check": {"pair": pair, "make": make, "steps": steps}}  # fmt: skip


def outcome(events: list[dict[str, Any]]) -> dict[str, Any]:
    """What a `check` found: the fields of `checked`, or `reason`."""
    for event in events:
        if event["event"] in ("checked", "failed"):
            return event
    return {"reason": "it told nothing"}


def _job(model: Path, runtime: str, path: Path, *, make: bool) -> dict[str, Any]:
    spec = {
        "protocol": session.PROTOCOL, "job": "check", "runtime": runtime,
        "process_timeout_s": TIMEOUT_S,
        "arms": [arm(str(model.resolve()), str(path), make=make, steps=STEPS)],
    }  # fmt: skip
    return outcome(session.run(python_for(runtime), spec, timeout_s=2 * TIMEOUT_S))
