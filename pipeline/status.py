"""Which steps of a recipe are in the store, and what has changed for those that are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.artifacts import digest_of
from pipeline.recipe import Step
from pipeline.run import Runner


@dataclass(frozen=True)
class StepStatus:
    """One step: the digest it has in the store, or why there is none."""

    id: str
    stage: str
    cached: bool
    why: str


def status_of(runner: Runner) -> list[StepStatus]:
    """The steps in order, without running any; the first that is not cached hides the rest."""
    return [_status(runner, step) for step in runner.steps]


def _status(runner: Runner, step: Step) -> StepStatus:
    waiting = [name for name in step.inputs.values() if name not in runner.made]
    if waiting:
        return StepStatus(step.id, step.stage.name, False, f"waits for {', '.join(waiting)}")
    parts = runner.key_parts(step)
    hit = runner.store.recall(digest_of(parts), step.stage.gives)
    if hit is None:
        why = _why(runner.store.last(runner.label(step)), parts)
        return StepStatus(step.id, step.stage.name, False, why)
    runner.made[step.id] = hit
    return StepStatus(step.id, step.stage.name, True, hit.digest[:12])


def _why(last: Mapping[str, Any] | None, parts: Mapping[str, Any]) -> str:
    if last is None:
        return "never run"
    changes = list(differences(last["parts"], parts))
    return "; ".join(changes[:3]) if changes else "its artifact is gone from the store"


def differences(old: Any, new: Any, name: str = "") -> Iterator[str]:
    """What differs between two JSON values, as `config.epochs: 5 -> 6`."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{name}.{key}".lstrip("."))
    elif old != new:
        yield f"{name}: {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:12]}..."
