"""Rules about power sensors, and about a meter beside the board: its line and its clock."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.bench.energy import changes
from pipeline.bench.rails import rails
from pipeline.bench.records import Caution, Level
from pipeline.bench.results import Event
from pipeline.bench.session_warnings import SessionWarning
from pipeline.bench.validity.evidence import Evidence, caution
from pipeline.board.energy import Rail, align
from pipeline.board.energy.faults import sensor_faults
from pipeline.board.energy.markers import marker_shift

REACH_S = 2.0
MISSED = 0.05


def faults(evidence: Evidence) -> Iterator[Caution]:
    """What a sensor's own readings show to be wrong with it."""
    work = changes(evidence.events)
    for rail in rails(evidence.events, evidence.settings.wiring):
        for fault in sensor_faults(rail, work):
            detail = f"{rail.scope} {fault.kind}: {fault.detail}"
            yield caution(SessionWarning.SENSOR_FAULT, Level.CAUTION, detail)


def line(evidence: Evidence) -> Iterator[Caution]:
    """A meter that missed readings or reports errors."""
    kind = SessionWarning.METER_LOST
    for event in _meters(evidence):
        missed = event["missed"]
        if missed > MISSED * (len(event["rows"]) + missed):
            yield caution(kind, Level.CAUTION, f"{missed} readings did not come")
        if event["problems"]:
            yield caution(kind, Level.CAUTION, f"it reports {'; '.join(event['problems'])}")


def clock(evidence: Evidence) -> Iterator[Caution]:
    """The pattern of work must lie in the readings where the pings say, within both bounds."""
    for event in _meters(evidence):
        aligned = align(event["pings"])
        if aligned is None:
            detail = "the board answered no ping: no energy from the meter"
            yield caution(SessionWarning.METER_CLOCK, Level.CAUTION, detail)
            continue
        rail = Rail(event["sensor"], event["about"], event["rows"], event["stated"], aligned)
        for marker in (e for e in evidence.events if e["event"] == "marker"):
            shift = marker_shift(rail.trace(), marker["edges_ns"], REACH_S)
            if shift is not None and abs(shift.seconds) > shift.bound_s + aligned.bound_s:
                detail = f"work shows {shift.seconds:+.3f} s off, +-{shift.bound_s:.3f} s"
                yield caution(SessionWarning.METER_CLOCK, Level.CAUTION, detail)


def _meters(evidence: Evidence) -> list[Event]:
    return [event for event in evidence.events if event["event"] == "metered"]
