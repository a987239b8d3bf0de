"""What a session's conditions and spread say against its figures."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

from pipeline.bench.records import Caution, Conditions
from pipeline.bench.session_warnings import SessionWarning
from pipeline.board.facts import Throttled

FOREIGN_CPUS = 0.25
SPREAD = 0.05
HOT_C = 80.0
ENOUGH_PROCESSES = 6


def condition_cautions(
    before: Conditions, after: Conditions, *, cpus: int | None, threads: int, emulated: bool = False
) -> Iterator[Caution]:
    """Warnings from the machine's state; a state it does not tell warns of nothing but a clock.

    An `emulated` clock counts instructions, so no governor or heat changes its figures.
    """
    foreign = foreign_cpus(before, after, cpus=cpus, threads=threads)
    if foreign is not None and foreign > FOREIGN_CPUS:
        yield _caution(SessionWarning.HIGH_LOAD, f"{foreign:.1f} CPUs of other work")
    swapped = _growth(before.swap_used_kib, after.swap_used_kib)
    if swapped:
        yield _caution(SessionWarning.SWAPPING, f"{swapped} KiB more in swap")
    if not emulated:
        yield from _clock_cautions(before, after)


def _clock_cautions(before: Conditions, after: Conditions) -> Iterator[Caution]:
    slow = sorted({g for g in (before.governors or {}).values() if g != "performance"})
    if slow:
        yield _caution(SessionWarning.GOVERNOR_NOT_PERFORMANCE, f"governor {', '.join(slow)}")
    if before.governors is None:
        yield _caution(SessionWarning.CLOCK_UNKNOWN, "no cpufreq")
    hot = [t for at in (before, after) for t in (at.temperature_c or {}).values() if t > HOT_C]
    if hot:
        yield _caution(SessionWarning.HOT, f"{max(hot):.0f} degC")
    held = throttled(before.throttled, after.throttled)
    if held:
        yield _caution(SessionWarning.THROTTLED, ", ".join(held))


def foreign_cpus(
    before: Conditions, after: Conditions, *, cpus: int | None, threads: int
) -> float | None:
    """CPUs that other programs kept busy during the session, on average; None if it is unknown.

    A session keeps at most `threads` CPUs busy itself, so this errs on the quiet side.
    """
    busy = _growth(before.busy_ticks, after.busy_ticks)
    idle = _growth(before.idle_ticks, after.idle_ticks)
    if cpus is None or busy is None or idle is None or busy + idle == 0:
        return None
    return max(0.0, busy / (busy + idle) * cpus - threads)


def _growth(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(0, after - before)


def throttled(before: int | None, after: int | None) -> tuple[str, ...]:
    """What held a Pi's clock down: at the end, or at some time since `before`."""
    return () if after is None else Throttled(after).since(Throttled(before or 0))


def sample_cautions(medians: Mapping[str, Sequence[float]], failed: int) -> Iterator[Caution]:
    """Warnings from the processes: `medians` of each arm's, and how many failed."""
    for arm, values in medians.items():
        if len(values) < ENOUGH_PROCESSES:
            detail = f"{len(values)} of '{arm}', {ENOUGH_PROCESSES} give an interval"
            yield _caution(SessionWarning.FEW_PROCESSES, detail)
        elif (found := spread(values)) > SPREAD:
            detail = f"the medians of '{arm}' spread by {found:.0%}"
            yield _caution(SessionWarning.UNSTEADY, detail)
    if failed:
        yield _caution(SessionWarning.FAILED_PROCESSES, f"{failed} failed")


def spread(values: Sequence[float]) -> float:
    """Robust relative standard deviation: 1.4826 times the median absolute deviation."""
    middle = statistics.median(values)
    return 1.4826 * statistics.median(abs(v - middle) for v in values) / middle


def _caution(kind: SessionWarning, detail: str) -> Caution:
    return Caution(kind=kind.name, detail=detail)
