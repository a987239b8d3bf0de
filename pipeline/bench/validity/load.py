"""Rules about other work: on the machine, and in the way of the measured process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.bench.records import Caution, Level
from pipeline.bench.session_warnings import SessionWarning
from pipeline.bench.validity import limits
from pipeline.bench.validity.evidence import Evidence, Process, caution
from pipeline.board.moment import TICK_NS, Moment


def foreign(evidence: Evidence) -> Iterator[Caution]:
    """Other programs, over the session; then around single processes, if the session is quiet."""
    looks = [m for m in evidence.moments if m.when != "during" and m.busy_ticks is not None]
    if len(looks) < 2:
        return
    whole = foreign_cpus(looks[0], looks[-1], evidence)
    if whole is not None and whole > limits.FOREIGN_CPUS:
        yield caution(SessionWarning.HIGH_LOAD, Level.CAUTION, f"{whole:.1f} CPUs of other work")
        return
    found = [(cpus, p) for p in evidence.processes if (cpus := around(evidence, p)) is not None]
    cpus, process = max(found, key=lambda item: item[0], default=(0.0, None))
    if process is not None and cpus > limits.FOREIGN_PROCESS_CPUS:
        said = f"{cpus:.1f} CPUs of other work"
        yield caution(SessionWarning.HIGH_LOAD, Level.CAUTION, said, process)


def around(evidence: Evidence, process: Process) -> float | None:
    """CPUs of other work while a process ran; None where its time is not told exactly."""
    looks = evidence.around(process)
    if looks is None or looks[0].own_cpu_ns is None:
        return None
    return foreign_cpus(*looks, evidence)


def foreign_cpus(first: Moment, last: Moment, evidence: Evidence) -> float | None:
    """CPUs that other programs kept busy between two looks, on average; None if it is unknown.

    What we used ourselves is told by the kernel; where it is not, a session keeps at most `threads`
    CPUs busy, which errs on the quiet side.
    """
    busy = _growth(first.busy_ticks, last.busy_ticks)
    idle = _growth(first.idle_ticks, last.idle_ticks)
    if busy is None or idle is None or busy + idle == 0 or evidence.cpus is None:
        return None
    span_ns = (busy + idle) * TICK_NS / evidence.cpus
    own = _growth(first.own_cpu_ns, last.own_cpu_ns)
    used = evidence.settings.threads if own is None else own / span_ns
    return max(0.0, busy * TICK_NS / span_ns - used)


def _growth(first: int | None, last: int | None) -> int | None:
    return None if first is None or last is None else max(0, last - first)


def stolen(evidence: Evidence) -> Iterator[Caution]:
    """Time that a hypervisor gave to others, of all that our CPUs should have had."""
    looks = [m for m in evidence.moments if m.steal_ticks is not None]
    if len(looks) < 2 or evidence.settings.emulated:
        return
    first, last = looks[0], looks[-1]
    parts = [
        _growth(getattr(first, n), getattr(last, n))
        for n in ("steal_ticks", "busy_ticks", "idle_ticks")
    ]
    steal, total = parts[0] or 0, sum(part or 0 for part in parts)
    if total and steal / total > limits.STOLEN:
        said = f"{steal / total:.1%} of the CPU time was stolen"
        yield caution(SessionWarning.STOLEN_TIME, Level.CAUTION, said)


@dataclass(frozen=True)
class _Interruptions:
    """Involuntary switches, all, an inference and a second; the share of time without a CPU."""

    count: int
    each: float
    per_s: float
    off_cpu: float | None


def preempted(evidence: Evidence) -> Iterator[Caution]:
    """The scheduler took the CPU away while it measured; the worst process speaks for all."""
    found = [(seen, p) for p in evidence.processes if (seen := _interruptions(evidence, p))]
    judged = [(level, seen, p) for seen, p in found if (level := _level(evidence, seen, p))]
    if judged:
        level, seen, process = max(
            judged, key=lambda item: (item[0] is Level.INVALID, item[1].each)
        )
        said = f"{seen.each:.2g} interruptions an inference"
        if seen.off_cpu is not None:
            said += f", without a CPU {seen.off_cpu:.0%} of the time"
        yield caution(SessionWarning.PREEMPTED, level, said, process)
        return
    many = [(s, p) for s, p in found if s.count >= limits.SWITCHES_LEAST]
    seen, often = max(many, key=lambda item: item[0].per_s, default=(None, None))
    if seen is not None and often is not None and seen.per_s > limits.SWITCHES_PER_S:
        said = f"{seen.per_s:.0f} involuntary switches a second"
        yield caution(SessionWarning.SWITCHES, Level.CAUTION, said, often)


def _interruptions(evidence: Evidence, process: Process) -> _Interruptions | None:
    switches, window = process.usage("involuntary_switches"), process.window
    if switches is None or window is None or window[1] <= window[0]:
        return None
    span = window[1] - window[0]
    cpu = process.usage("thread_cpu_ns") or process.usage("cpu_ns")
    alone = evidence.burst and evidence.settings.threads == 1 and cpu is not None
    off = max(0.0, 1 - (cpu or 0) / span) if alone else None
    return _Interruptions(switches, switches / len(process.samples), switches / span * 1e9, off)


def _level(evidence: Evidence, seen: _Interruptions, process: Process) -> Level | None:
    """Invalid where the median itself was interrupted; a caution where only the tail was.

    With several threads the time without a CPU tells nothing (they wait for each other), so other
    work must be seen beside the interruptions.
    """
    if seen.off_cpu is None:
        disturbed = (around(evidence, process) or 0.0) > limits.FOREIGN_PROCESS_CPUS
        return Level.INVALID if disturbed and seen.each >= limits.PREEMPTIONS else None
    if seen.off_cpu > limits.OFF_CPU:
        return Level.INVALID if seen.each >= limits.PREEMPTIONS else Level.CAUTION
    if seen.off_cpu > limits.STOLEN and seen.each >= limits.TAIL_PREEMPTIONS:
        return Level.CAUTION
    return None
