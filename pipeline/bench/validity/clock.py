"""Rules about the CPU's clock: which one the figures are of, and what held it down or moved it."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.bench.records import Caution, Level
from pipeline.bench.session_warnings import SessionWarning
from pipeline.bench.validity import limits
from pipeline.bench.validity.evidence import Evidence, caution
from pipeline.bench.validity.residency import session_shares
from pipeline.board.facts import Throttled

VOLTAGE = "under-voltage"


def throttling(evidence: Evidence) -> Iterator[Caution]:
    """Live and sticky bits of the firmware, coolers of the kernel, counters of x86 packages."""
    if evidence.settings.emulated or not evidence.watched:
        return
    held = [*_firmware(evidence), *_coolers(evidence), *_packages(evidence)]
    if held:
        sustained = evidence.settings.regime == "sustained"
        kind = SessionWarning.HELD_BY_HEAT if sustained else SessionWarning.THROTTLED
        level = Level.NOTE if sustained else Level.INVALID
        yield caution(kind, level, ", ".join(dict.fromkeys(held)))
    first = next((m.throttled for m in evidence.moments if m.throttled is not None), None)
    if first is not None and not held and (before := set(first.sticky) - {VOLTAGE}):
        said = f"since its start: {', '.join(sorted(before))}"
        yield caution(SessionWarning.THROTTLED_BEFORE, Level.NOTE, said)


def _firmware(evidence: Evidence) -> Iterator[str]:
    yield from (name for name in firmware_events(evidence) if name != VOLTAGE)


def firmware_events(evidence: Evidence) -> list[str]:
    """Conditions of a Pi's firmware that held at a look, or stuck between two."""
    words = [m.throttled for m in evidence.moments if m.throttled is not None]
    if not words:
        return []
    seen: list[str] = []
    for before, after in zip([words[0], *words], words, strict=False):
        seen += after.since(before) if after is not before else after.now
    return list(dict.fromkeys(seen))


def _coolers(evidence: Evidence) -> Iterator[str]:
    for at in evidence.watched:
        yield from (f"{name} at work" for name, state in at.cooling.items() if state > 0)


def _packages(evidence: Evidence) -> Iterator[str]:
    counts = [m.throttles for m in evidence.watched if m.throttles is not None]
    if counts and counts[-1] > counts[0]:
        yield f"the package was throttled {counts[-1] - counts[0]} times"


def under_voltage(evidence: Evidence) -> Iterator[Caution]:
    """The supply sagged: the firmware halves the clock, whatever the regime."""
    alarm = any(m.under_voltage for m in evidence.moments)
    if alarm or VOLTAGE in firmware_events(evidence):
        said = "the alarm of rpi_volt" if alarm else "a bit of the firmware"
        yield caution(SessionWarning.UNDER_VOLTAGE, Level.INVALID, said)
        return
    words = [m.throttled for m in evidence.moments if m.throttled is not None]
    if words and VOLTAGE in Throttled(words[0].word).sticky:
        said = "since its start: under-voltage"
        yield caution(SessionWarning.THROTTLED_BEFORE, Level.NOTE, said)


def governor(evidence: Evidence) -> Iterator[Caution]:
    """Which governor the figures are of; one that changed breaks the session."""
    if evidence.settings.emulated:
        return
    told = [m.governors for m in evidence.watched if m.governors]
    if not told:
        yield caution(SessionWarning.CLOCK_UNKNOWN, Level.NOTE, f"no cpufreq{_measured(evidence)}")
        return
    wanted = evidence.settings.governor
    expected = dict.fromkeys(told[0], wanted) if wanted else told[0]
    for governors in told:
        changed = [p for p in governors if governors[p] != expected.get(p, governors[p])]
        if changed:
            policy = changed[0]
            said = f"{policy} went from {expected[policy]} to {governors[policy]}"
            yield caution(SessionWarning.GOVERNOR_CHANGED, Level.INVALID, said)
            return
    slow = sorted({str(g) for g in expected.values()} - {"performance"})
    if slow:
        said = f"governor {', '.join(slow)}{_residency(evidence) or _measured(evidence)}"
        yield caution(SessionWarning.GOVERNOR_NOT_PERFORMANCE, Level.NOTE, said)


def capped(evidence: Evidence) -> Iterator[Caution]:
    """A limit below what the hardware can; one that moved breaks a burst."""
    told = [m for m in evidence.watched if m.most_khz]
    if evidence.settings.emulated or not told:
        return
    first = told[0].most_khz
    for at in told:
        moved = [p for p in first if at.most_khz.get(p, first[p]) != first[p]]
        if moved:
            policy = moved[0]
            said = f"the limit of {policy} went from {first[policy] / 1000:.0f} to"
            said += f" {at.most_khz[policy] / 1000:.0f} MHz"
            heat = evidence.settings.regime == "sustained"
            kind = SessionWarning.HELD_BY_HEAT if heat else SessionWarning.CLOCK_UNSTEADY
            yield caution(kind, Level.NOTE if heat else Level.INVALID, said)
            return
    for policy, hardware in evidence.moments[0].hardware_khz.items():
        limit = first.get(policy, hardware)
        if limit < (1 - limits.CAP) * hardware:
            said = f"{policy} may go to {limit / 1000:.0f} of {hardware / 1000:.0f} MHz"
            yield caution(SessionWarning.CLOCK_CAPPED, Level.CAUTION, said)


def _residency(evidence: Evidence) -> str:
    """How the measured time divides among clocks, as ": 1800 MHz for 99.8 % of it"."""
    shares = session_shares(evidence)
    if not shares:
        return ""
    top = sorted(shares.items(), key=lambda item: -item[1])[:3]
    parts = ", ".join(f"{khz / 1000:.0f} MHz for {share:.1%}" for khz, share in top if share > 5e-4)
    return f"; the clock in the windows was {parts}"


def _measured(evidence: Evidence) -> str:
    """The clock by the chain of additions, as "; 3646 MHz measured"."""
    found = [c for p in evidence.processes for c in measured_mhz(p.event)]
    return f"; {max(found):.0f} MHz measured" if found else ""


def measured_mhz(event: dict[str, object]) -> list[float]:
    """Clocks that the agent measured right before and right after a window."""
    around = event.get("around")
    if not isinstance(around, dict):
        return []
    told = [around.get(when, {}).get("clock_mhz") for when in ("before", "after")]
    return [float(mhz) for mhz in told if mhz]
