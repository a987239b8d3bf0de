"""A finished session's events as its record."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from pipeline.artifacts import file_digest
from pipeline.bench.accuracy import TestSample, accuracy_rows
from pipeline.bench.arms import Arm
from pipeline.bench.cautions import condition_cautions, sample_cautions
from pipeline.bench.conditions import conditions, machine, texts_of
from pipeline.bench.energy import energy_rows, rails
from pipeline.bench.plan import session_pairs
from pipeline.bench.records import ArmEntry, Caution, Comparison, Failure, Record, Row
from pipeline.bench.results import Event, session_id
from pipeline.bench.rows import arm_rows, by_process, compare_arms, process_states, settle
from pipeline.bench.settings import SessionSettings


@dataclass(frozen=True)
class Session:
    """All that a session came to: its plan, the events of its processes and of its outputs."""

    recipe: str
    started: datetime
    settings: SessionSettings
    arms: Sequence[Arm]
    order: list[int]
    events: Sequence[Event]
    outputs: Sequence[Event]
    sample: TestSample | None


def to_record(done: Session) -> Record:
    """The record, with every comparison against the first arm and every warning."""
    settings, events = done.settings, done.events
    done = replace(done, events=settle(events))
    board = machine(events, settings.target, settings.runtime)
    before, after = (conditions(texts_of(events, when)) for when in ("before", "after"))
    failures = list(_failures(done))
    cautions = [
        *condition_cautions(
            before, after, cpus=board.cpus, threads=settings.threads, emulated=settings.emulated
        ),
        *_sample_cautions(done, len(failures)),
    ]
    return Record(
        id=session_id(done.started, done.recipe, settings.target, events),
        started=f"{done.started:%Y-%m-%d %H:%M:%S} UTC",
        recipe=done.recipe,
        target=settings.target,
        emulated=settings.emulated,
        machine=board,
        settings=_plain(settings),
        arms=[_entry(arm) for arm in done.arms],
        rows=list(_rows(done)),
        comparisons=_comparisons(done),
        processes=list(process_states(by_process(done.events))),
        failures=failures,
        before=before,
        after=after,
        cautions=cautions,
    )


def _entry(arm: Arm) -> ArmEntry:
    size = arm.model.stat().st_size
    digest = file_digest(arm.model)
    return ArmEntry(name=arm.name, digest=digest, file=str(arm.model), size_bytes=size)


def _plain(settings: SessionSettings) -> dict[str, Any]:
    """As JSON gives it back: lists, no tuples."""
    plain = asdict(settings)
    return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


def _rows(done: Session) -> Iterator[Row]:
    readable = [] if done.settings.emulated else rails(done.events)
    for arm in done.arms:
        processes = [e for e in by_process(done.events).values() if e["arm"] == arm.name]
        yield from arm_rows(arm.name, processes, emulated=done.settings.emulated)
        yield from energy_rows(arm.name, processes, readable)
        size = arm.model.stat().st_size
        yield Row(name="file_size", unit="bytes", scope="file", arm=arm.name, value=size)
    if done.sample is not None:
        yield from accuracy_rows(done.sample, done.arms, done.outputs)


def _comparisons(done: Session) -> list[Comparison]:
    baseline, *candidates = done.arms
    pairs = {arm.name: session_pairs(done.order, 0, n) for n, arm in enumerate(candidates, 1)}
    return compare_arms(baseline.name, pairs, by_process(done.events))


def _failures(done: Session) -> Iterator[Failure]:
    for event in [*done.events, *done.outputs]:
        if event["event"] == "failed":
            known = {name: value for name, value in event.items() if name in Failure.model_fields}
            yield Failure.model_validate(known)


def _sample_cautions(done: Session, failed: int) -> Iterator[Caution]:
    medians: dict[str, list[float]] = {arm.name: [] for arm in done.arms}
    for event in by_process(done.events).values():
        medians[event["arm"]].append(statistics.median(event["steady_ns"]))
    return sample_cautions(medians, failed)
