"""Rules about a clock that moved: from window to window, inside of them, or in its own record."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from pipeline.bench.records import Caution, Level
from pipeline.bench.session_warnings import SessionWarning
from pipeline.bench.validity import limits
from pipeline.bench.validity.clock import measured_mhz
from pipeline.bench.validity.evidence import Evidence, Process, caution, median_of
from pipeline.bench.validity.residency import Stay, growth, session_shares, session_stays
from pipeline.board.moment import TICK_NS, Moment

DOMINANT = 0.9


def residency(evidence: Evidence) -> Iterator[Caution]:
    """Every window of a burst must have the same mean clock; paced ones follow their load."""
    if evidence.settings.emulated:
        return
    shares = session_shares(evidence)
    if evidence.burst:
        yield from _by_window(evidence)
    mixed = shares and max(shares.values()) < DOMINANT
    if mixed:
        parts = sorted(shares.items(), key=lambda item: -item[1])[:3]
        said = ", ".join(f"{khz / 1000:.0f} MHz for {share:.0%}" for khz, share in parts)
        if evidence.burst:
            yield caution(SessionWarning.CLOCK_UNSTEADY, Level.CAUTION, f"in the windows {said}")
        else:
            yield caution(SessionWarning.CLOCK_FOLLOWED_LOAD, Level.NOTE, said)


def _by_window(evidence: Evidence) -> Iterator[Caution]:
    """Deviations of a window's mean clock from the session's median, policy by policy."""
    means: dict[str, list[tuple[float, Process, Stay]]] = {}
    for process, stay in session_stays(evidence):
        if stay.mean_khz is not None:
            means.setdefault(stay.policy, []).append((stay.mean_khz, process, stay))
    for found in means.values():
        usual = median_of([mean for mean, _, _ in found]) or 1.0
        off = [(m, p) for m, p, stay in found if abs(m - usual) > _allowed(stay, usual)]
        if off:
            mean, process = max(off, key=lambda item: abs(item[0] - usual))
            said = f"its mean clock was {mean / 1000:.0f} MHz, the session's {usual / 1000:.0f}"
            said += f" ({len(off)} of {len(found)} windows are off)"
            yield caution(SessionWarning.CLOCK_UNSTEADY, Level.INVALID, said, process)


def _allowed(stay: Stay, usual_khz: float) -> float:
    """2 %, and what the ticks at both ends of a window can make up."""
    clocks = [khz for khz, ticks in stay.ticks.items() if ticks > 0]
    reach = max(clocks, default=0) - min(clocks, default=0)
    return limits.CLOCK * usual_khz + limits.TICKS / max(stay.total, 1) * reach


def measured(evidence: Evidence) -> Iterator[Caution]:
    """The chain of additions around each window: the only clock that a board cannot misreport.

    Where the kernel has no table of clocks (virtual machines, turbo boosts), a clock that moves is
    no fault of the session that anybody could mend: that is a caution.
    """
    found = [(mhz, p) for p in evidence.processes for mhz in measured_mhz(p.event)]
    usual = median_of([mhz for mhz, _ in found])
    if usual is None or evidence.settings.emulated or not evidence.burst:
        return
    off = [(abs(mhz / usual - 1), mhz, p) for mhz, p in found]
    worst, mhz, process = max(off, key=lambda item: item[0])
    if worst > limits.MEASURED_CLOCK:
        ours = any(m.states for m in evidence.moments)
        broken = ours and worst > limits.MEASURED_BROKEN
        level = Level.INVALID if broken else Level.CAUTION
        said = f"its core ran at {mhz:.0f} MHz, the session's at {usual:.0f} (measured)"
        yield caution(SessionWarning.CLOCK_UNSTEADY, level, said, process)


def record(evidence: Evidence) -> Iterator[Caution]:
    """`time_in_state` only grows, and accounts for the time that passed."""
    if evidence.settings.emulated:
        return
    looks = [m for m in evidence.moments if m.states and m.when != "during"]
    whole = [stay for a, b in pairwise(looks) for stay in _between(a, b)]
    windows = [stay for _, stay in session_stays(evidence)]
    if whole and not any(any(stay.ticks.values()) for stay in [*whole, *windows]):
        said = "it stands still: this kernel does not count"
        yield caution(SessionWarning.CLOCK_RECORD, Level.CAUTION, said)
        return
    for stay in [*whole, *windows]:
        if said := _contradiction(stay):
            yield caution(SessionWarning.CLOCK_RECORD, Level.INVALID, said)
            return


def _between(first: Moment, second: Moment) -> Iterator[Stay]:
    span = None if first.t_ns is None or second.t_ns is None else second.t_ns - first.t_ns
    for policy, before in first.states.items():
        if policy in second.states:
            yield Stay(policy, growth(before, second.states[policy]), span)


def _contradiction(stay: Stay) -> str:
    if any(ticks < 0 for ticks in stay.ticks.values()):
        return f"{stay.policy} spent less time at a clock than before"
    if stay.expected is None:
        return ""
    allowed = max(limits.STATE_TICKS, limits.STATE_SUM * stay.expected)
    if abs(stay.total - stay.expected) > allowed:
        spent, passed = (n * TICK_NS / 1e9 for n in (stay.total, stay.expected))
        return f"{stay.policy} accounts for {spent:.2f} s of {passed:.2f} s"
    return ""
