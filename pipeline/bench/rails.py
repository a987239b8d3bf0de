"""The sensor channels of a session, with what the lab file knows of them, on the board's clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.bench.results import Event
from pipeline.board.energy import Rail, align

Wiring = Mapping[str, Mapping[str, object]]


def rails(events: Sequence[Event], wiring: Wiring) -> list[Rail]:
    """The channels that were read, by scope; a meter only where its clock is known."""
    found: dict[tuple[str, str], Rail] = {}
    for event in events:
        if event["event"] == "readings":
            key = (event["sensor"], event["channel"])
            if key not in found:
                about = event["about"]
                known = stated(event["sensor"], about, wiring)
                found[key] = Rail(event["sensor"], about, known=known)
            found[key].rows += event["rows"]
        elif event["event"] == "metered" and (clock := align(event["pings"])) is not None:
            meter = Rail(event["sensor"], event["about"], event["rows"], event["stated"], clock)
            found[event["sensor"], event["channel"]] = meter
    used = [rail for rail in found.values() if rail.known.get("use", True)]
    return sorted(used, key=lambda rail: rail.scope)


def stated(sensor: str, about: Mapping[str, str], wiring: Wiring) -> Mapping[str, object]:
    """The lab file's entry for a rail: its label's, else its chip's, else its sensor's."""
    names = (about.get("label"), about.get("in1_label"), about.get("name"), sensor)
    return next((wiring[name] for name in names if name and name in wiring), {})
