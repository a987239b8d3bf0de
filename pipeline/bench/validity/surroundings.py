"""Rules about heat and CPUs: how warm it was, whether it was steady, which CPUs there were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.bench.records import Caution, Level
from pipeline.bench.session_warnings import SessionWarning
from pipeline.bench.validity import limits
from pipeline.bench.validity.evidence import Evidence, Process, caution


def heat(evidence: Evidence) -> Iterator[Caution]:
    """A hot processor, and one that warmed up so much that early and late processes differ."""
    if evidence.settings.emulated:
        return
    looks = [m.temperature_c for m in evidence.moments if m.temperature_c]
    hottest = max((t for zones in looks for t in zones.values()), default=0.0)
    if hottest > limits.HOT_C:
        level = Level.NOTE if evidence.settings.regime == "sustained" else Level.CAUTION
        yield caution(SessionWarning.HOT, level, f"{hottest:.0f} degC")
    rises = [z[name] - looks[0][name] for z in looks for name in z if name in looks[0]]
    if evidence.settings.regime != "sustained" and max(rises, default=0.0) > limits.RISE_C:
        said = f"by {max(rises):.0f} degC from the first process to the last"
        yield caution(SessionWarning.WARMING, Level.CAUTION, said)


def steady_heat(evidence: Evidence) -> Iterator[Caution]:
    """The sustained regime measures at a temperature that stays."""
    if evidence.settings.regime != "sustained":
        return
    unsteady = [p for p in evidence.processes if _soak(p).get("steady") is False]
    blind = [p for p in evidence.processes if _soak(p).get("steady") is None]
    if unsteady:
        said = f"after {_soak(unsteady[0]).get('seconds')} s of load the temperature still moved"
        said += f" ({len(unsteady)} of {len(evidence.processes)} processes)"
        yield caution(SessionWarning.NOT_STEADY, Level.INVALID, said, unsteady[0])
    elif blind:
        said = f"each process ran {_soak(blind[0]).get('seconds', 0)} s of load first"
        yield caution(SessionWarning.NO_THERMOMETER, Level.NOTE, said)
    for process in evidence.processes:
        if (moved := _moved(evidence, process)) > limits.SUSTAINED_C:
            said = f"its temperature moved by {moved:.1f} degC while it was measured"
            yield caution(SessionWarning.NOT_STEADY, Level.INVALID, said, process)
            return


def _soak(process: Process) -> dict[str, Any]:
    """What the agent told of the load before the window."""
    return process.event.get("soak") or {}


def _moved(evidence: Evidence, process: Process) -> float:
    """Largest change of a zone from the end of the soak to any look in the window, degC."""
    start, window = _soak(process).get("last_mc") or {}, process.window
    if window is None or not start:
        return 0.0
    from_c = max(start.values()) / 1000
    inside = [
        max(m.temperature_c.values())
        for m in evidence.moments
        if m.temperature_c and m.t_ns is not None and window[0] <= m.t_ns <= window[1]
    ]
    return max((abs(celsius - from_c) for celsius in inside), default=0.0)


def cpus(evidence: Evidence) -> Iterator[Caution]:
    """CPUs that came or went."""
    online = [m.online for m in evidence.moments if m.online]
    other = [text for text in online if text != online[0]]
    if other:
        said = f"online were {online[0]}, then {other[0]}"
        yield caution(SessionWarning.CPUS_CHANGED, Level.INVALID, said)


def affinity(evidence: Evidence) -> Iterator[Caution]:
    """A process that left its CPUs, or was never on them."""
    wanted = sorted(evidence.settings.affinity)
    for process in evidence.processes:
        begin, end = (process.event.get(name) or {} for name in ("at_begin", "at_end"))
        allowed = [sorted(at["affinity"]) for at in (begin, end) if at.get("affinity")]
        expected = wanted or (allowed[0] if allowed else [])
        lost = [cpus for cpus in allowed if cpus != expected]
        strayed = [at["cpu"] for at in (begin, end) if at.get("cpu") is not None]
        strayed = [cpu for cpu in strayed if expected and cpu not in expected]
        if lost or strayed:
            said = f"it was to stay on {expected}, and was on {(lost or [strayed])[0]}"
            yield caution(SessionWarning.AFFINITY_LOST, Level.INVALID, said, process)
            return
