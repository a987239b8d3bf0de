"""A finished session's events as its record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from pipeline.artifacts import file_digest
from pipeline.bench.accuracy import TestSample, accuracy_rows
from pipeline.bench.arms import Arm
from pipeline.bench.conditions import conditions, machine, texts_of
from pipeline.bench.contest import Contest
from pipeline.bench.contest import settle as settle_contest
from pipeline.bench.energy import energy_rows
from pipeline.bench.paced import paced_rows
from pipeline.bench.plan import session_pairs
from pipeline.bench.records import ArmEntry, Comparison, Cost, Failure, Record, Row
from pipeline.bench.results import Event, session_id
from pipeline.bench.rows import arm_rows, by_process, compare_arms, process_states, settle
from pipeline.bench.sampler import sampler_rows
from pipeline.bench.settings import SessionSettings
from pipeline.bench.validity.evidence import Evidence, Model
from pipeline.bench.validity.judge import judge, withheld
from pipeline.board.cpu import cpu
from pipeline.convert.audit import audit
from pipeline.convert.macs import count
from pipeline.errors import UsageError


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
    contests: Sequence[Contest] = ()
    costs: Sequence[Cost] = ()


def to_record(done: Session, *, models: Mapping[str, Model] | None = None) -> Record:
    """The record, with every comparison against the first arm and every finding.

    `models` tells what is known of the arms' files; without it they are read.
    """
    settings, events = done.settings, done.events
    done = replace(done, events=settle(events))
    board = machine(events, settings.target, settings.runtime)
    before, after = (conditions(texts_of(events, when)) for when in ("before", "after"))
    cautions = judge(evidence(done, models))
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
        comparisons=[withheld(each, cautions) for each in _comparisons(done)],
        choices=[
            settle_contest(each, done.arms, done.order, by_process(done.events), cautions)
            for each in done.contests
        ],
        costs=list(done.costs),
        processes=list(process_states(by_process(done.events))),
        failures=list(_failures(done)),
        before=before,
        after=after,
        cautions=cautions,
        unavailable={
            "time by operator": f"{settings.runtime} has no profiler in its Python package"
        },
        watch_cpu_share=_watch_cpu_share(events),
    )


def _watch_cpu_share(events: Sequence[Event]) -> float | None:
    """CPU time of the agent's watching thread over the time it watched."""
    told = [event for event in events if event["event"] == "watched" and event["span_ns"]]
    return told[-1]["cpu_ns"] / told[-1]["span_ns"] if told else None


def _entry(arm: Arm) -> ArmEntry:
    size = arm.model.stat().st_size
    digest = file_digest(arm.model)
    return ArmEntry(name=arm.name, digest=digest, file=str(arm.model), size_bytes=size)


def _plain(settings: SessionSettings) -> dict[str, Any]:
    """As JSON gives it back: lists, no tuples."""
    plain = asdict(settings)
    return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


def _rows(done: Session) -> Iterator[Row]:
    for arm in done.arms:
        processes = [e for e in by_process(done.events).values() if e["arm"] == arm.name]
        yield from arm_rows(arm.name, processes, emulated=done.settings.emulated)
        yield from paced_rows(arm.name, processes, done.settings)
        size = arm.model.stat().st_size
        yield Row(name="file_size", unit="bytes", scope="file", arm=arm.name, value=size)
    if not done.settings.emulated:
        names = [arm.name for arm in done.arms]
        yield from energy_rows(names, done.events, done.settings.wiring)
        yield from sampler_rows(names[0], done.events, done.settings)
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


def evidence(done: Session, models: Mapping[str, Model] | None = None) -> Evidence:
    """What the validity rules look at."""
    texts = texts_of(done.events, "before")
    return Evidence(
        settings=done.settings,
        events=[*done.events, *(e for e in done.outputs if e["event"] == "failed")],
        models=models or {arm.name: _model(arm) for arm in done.arms},
        cpus=machine(done.events, done.settings.target, done.settings.runtime).cpus,
        cpu=cpu(texts.get("/proc/cpuinfo", ""), done.settings.isa),
    )


def _model(arm: Arm) -> Model:
    """What a file says of itself; one that only its runtime can read says its digest."""
    digest = file_digest(arm.model)
    try:
        return Model(digest, audit(arm.model).inputs, count(arm.model))
    except UsageError:
        return Model(digest)
