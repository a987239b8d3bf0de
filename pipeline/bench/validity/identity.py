"""Rules about what was run: the right file, its input, and a model that answers each time anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.bench.records import Caution, Level
from pipeline.bench.session_warnings import SessionWarning
from pipeline.bench.validity import limits
from pipeline.bench.validity.evidence import Evidence, Process, caution, median_of
from pipeline.convert.audit import Port

DISTINCT = 3


def model(evidence: Evidence) -> Iterator[Caution]:
    """The board's file must be the arm's, by digest; one of another arm is named."""
    names = {known.digest: arm for arm, known in evidence.models.items()}
    for process in evidence.processes:
        ran, known = process.event.get("model_sha256"), evidence.models.get(process.arm)
        if ran is None or known is None or ran == known.digest:
            continue
        other = f"that of '{names[ran]}'" if ran in names else f"{ran[:12]}"
        said = f"ran the file {other}, not {known.digest[:12]}"
        yield caution(SessionWarning.WRONG_MODEL, Level.INVALID, said, process)
        return


def inputs(evidence: Evidence) -> Iterator[Caution]:
    """Shapes and dtypes of the inputs on the board are those of the file."""
    for process in evidence.processes:
        known = evidence.models.get(process.arm)
        told = process.event.get("inputs")
        if told is None or known is None or known.inputs is None:
            continue
        expected = sorted(_port(port) for port in known.inputs)
        found = sorted((tuple(port["shape"]), port["dtype"]) for port in told)
        if found != expected:
            said = f"its input was {_shown(found)}, the file has {_shown(expected)}"
            yield caution(SessionWarning.WRONG_INPUT, Level.INVALID, said, process)
            return


def _port(port: Port) -> tuple[tuple[int, ...], str]:
    """A free axis is the runtime's 1."""
    return tuple(max(1, size) for size in port.shape), port.dtype


def _shown(ports: Sequence[tuple[tuple[int, ...], str]]) -> str:
    return ", ".join(f"{dtype} {list(shape)}" for shape, dtype in ports)


def outputs(evidence: Evidence) -> Iterator[Caution]:
    """An output that never changes: of a model that is dead, or of one that was not run.

    A label or a saturated softmax may be the same for many inputs: that is only doubted.
    """
    for processes in evidence.arms.values():
        constant = [p for p in processes if _is_constant(p)]
        if constant:
            told = constant[0].event["outputs"]
            level = Level.INVALID if any(each["rich"] for each in told) else Level.CAUTION
            said = f"{len({each['input'] for each in told})} different inputs had one output"
            said += f" ({len(constant)} of {len(processes)} processes)"
            yield caution(SessionWarning.CONSTANT_OUTPUT, level, said, constant[0])


def _is_constant(process: Process) -> bool:
    told: list[dict[str, Any]] = process.event.get("outputs") or []
    given, answered = ({each[name] for each in told} for name in ("input", "sha256"))
    return len(given) >= DISTINCT and len(answered) == 1


def cached(evidence: Evidence) -> Iterator[Caution]:
    """Known inputs were answered faster than inputs that the runtime never saw."""
    for process in evidence.processes:
        fresh, known = (process.event.get(name) or [] for name in ("fresh_ns", "known_ns"))
        if not fresh:
            continue
        beside = median_of(known)
        against = float(np.quantile(process.service, 0.9))
        slow = beside is not None and min(fresh) > limits.FRESH * beside + limits.FRESH_NS
        slower = min(fresh) > limits.FRESH_WINDOW * against + limits.FRESH_WINDOW_NS
        if slow or slower:
            usual = beside if slow and beside is not None else against
            said = (
                f"new inputs took {min(fresh) / 1e3:.0f} us or more, known ones {usual / 1e3:.0f}"
            )
            yield caution(SessionWarning.CACHED_OUTPUT, Level.INVALID, said, process)
            return
