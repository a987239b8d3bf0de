"""Energy of one inference, from blocks of work between idle ones; no sensor, no row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.bench.plan import session_order
from pipeline.bench.rails import rails
from pipeline.bench.records import Budget, Row, Unit
from pipeline.bench.results import Event
from pipeline.bench.settings import SessionSettings
from pipeline.board.energy import Energy, Figure, Rail, block_energy
from pipeline.board.energy.average import average
from pipeline.board.energy.block import Span
from pipeline.board.energy.faults import FATAL, sensor_faults
from pipeline.board.energy.ratio import energy_ratio

MJ_PER_J = 1000.0
MARGIN_MS = 500
NEGLIGIBLE = 1e-6


def energy_spec(settings: SessionSettings, arms: int) -> dict[str, Any] | None:
    """The agent's part of the plan: blocks of every arm in balanced order; None without any."""
    if settings.energy_blocks == 0 or settings.emulated:
        return None
    return {
        "order": session_order(arms, settings.energy_blocks, settings.seed),
        "sampler": [bool(on) for on in session_order(2, settings.sampler_pairs, settings.seed)],
        "metered": settings.meter is not None,
        "block_ns": settings.energy_block_ms * 1_000_000,
        "settle_ns": settings.energy_settle_ms * 1_000_000,
        "margin_ns": min(MARGIN_MS, settings.energy_block_ms // 2) * 1_000_000,
    }


@dataclass(frozen=True)
class Block:
    """One arm's work, and the idle windows next to it, on the board's clock."""

    arm: str
    active: Span
    inferences: int
    before: Span
    after: Span


def blocks(events: Sequence[Event]) -> list[Block]:
    """The blocks that have idle on both sides, in order."""
    idle = sorted(_span(e) for e in events if e["event"] == "idle")
    found = []
    for event in (e for e in events if e["event"] == "block" and e["inferences"] > 0):
        active = _span(event)
        before = [span for span in idle if span[1] <= active[0]]
        after = [span for span in idle if span[0] >= active[1]]
        if before and after:
            block = Block(event["arm"], active, event["inferences"], before[-1], after[0])
            found.append(block)
    return found


def _span(event: Event) -> Span:
    begin, end = event["t_ns"]
    return begin, end


def changes(events: Sequence[Event]) -> list[Span]:
    """Spans in which the power must have changed: from idle to steady work, and back."""
    planned = blocks(events)
    begins = [(block.before[1], block.active[0]) for block in planned]
    return begins + [(block.active[1], block.after[0]) for block in planned]


def energy_rows(
    arms: Sequence[str], events: Sequence[Event], wiring: Mapping[str, Mapping[str, object]]
) -> Iterator[Row]:
    """mJ of an inference, gross and net, and idle W, a rail; ratios to the first arm.

    Gross: all that the rail drew. Net: what idling would have drawn taken off. A rail whose
    readings are faulty, or do not span the windows, has no rows.
    """
    planned = blocks(events)
    for rail in rails(events, wiring) if planned else []:
        if any(fault.kind in FATAL for fault in sensor_faults(rail, changes(events))):
            continue
        yield from _rail_rows(arms, planned, rail)


def _rail_rows(arms: Sequence[str], planned: Sequence[Block], rail: Rail) -> Iterator[Row]:
    trace, accuracy, clock_s = rail.trace(), rail.accuracy, rail.clock.bound_s
    measured: dict[str, list[tuple[Block, Energy]]] = {arm: [] for arm in arms}
    for block in planned:
        spans = (block.before, block.active, block.after)
        energy = block_energy(trace, accuracy, *spans, clock_s=clock_s)
        if energy is not None:
            measured[block.arm].append((block, energy))
    baseline = _figures(measured[arms[0]])
    for arm in arms:
        found, readings = _figures(measured[arm]), sum(e.samples for _, e in measured[arm])
        common = {"arm": arm, "scope": rail.scope, "n": len(measured[arm]), "raw": "block"}
        for name, figure in found.items():
            unit: Unit = "W" if name == "idle_power" else "mJ"
            yield _row(name, unit, figure, readings, accuracy.source, common)
        for name in ("energy_gross", "energy_net") if arm != arms[0] else ():
            if name in found and name in baseline:
                ratio = energy_ratio(found[name], baseline[name])
                if ratio is not None:
                    yield _row(f"{name}_ratio", "ratio", ratio, readings, accuracy.source, common)


def _figures(measured: Sequence[tuple[Block, Energy]]) -> dict[str, Figure]:
    if not measured:
        return {}
    each = [MJ_PER_J / block.inferences for block, _ in measured]
    return {
        "energy_gross": average([e.gross_j for _, e in measured], each),
        "energy_net": average([e.net_j for _, e in measured], each),
        "idle_power": average([e.idle_w for _, e in measured], [1.0] * len(each)),
    }


def _row(
    name: str, unit: Unit, figure: Figure, readings: int, source: str, common: dict[str, object]
) -> Row:
    told = figure.uncertainty
    terms: dict[str, float] = {}
    for term in (t for t in told.terms if t.u > NEGLIGIBLE * told.u):
        terms[term.name] = (terms.get(term.name, 0.0) ** 2 + term.u**2) ** 0.5
    budget = Budget(u=told.u, k=told.k, terms=terms, readings=readings, source=source)
    return Row.model_validate(
        {"name": name, "unit": unit, "value": figure.value, "interval": figure.interval,
         "budget": budget, **common}
    )  # fmt: skip
