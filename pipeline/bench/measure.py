"""One measurement session, from arms to a record on the disk."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.bench.accuracy import TestSample, write_samples
from pipeline.bench.arms import Arm
from pipeline.bench.assemble import Session, to_record
from pipeline.bench.bar import session_bar
from pipeline.bench.contest import Contest
from pipeline.bench.energy import energy_spec
from pipeline.bench.meter import Beside, beside
from pipeline.bench.plan import session_order
from pipeline.bench.records import Cost
from pipeline.bench.results import Event, Stored, save
from pipeline.bench.settings import SessionSettings
from pipeline.board.board import Board
from pipeline.board.session import PROTOCOL
from pipeline.errors import Refused


def measure(
    arms: Sequence[Arm], settings: SessionSettings, board: Board, *, recipe: str, results: Path,
    sample: TestSample | None = None, contests: Sequence[Contest] = (), costs: Sequence[Cost] = (),
) -> Stored:  # fmt: skip
    """Measure `arms` against the first of them in one session, and store the record.

    A process that fails is a data point. `sample` gives real inputs and on-device accuracy;
    without it inputs are random. `contests` are arms among which the session chooses; `costs` are
    what made the arms' files, for the record.

    Raises:
        Refused: every process of an arm failed, or the runtime cannot be had.
        BoardUnreachable: the session was lost.
    """
    started = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="secateur-bench-") as name:
        agent = _Agent(board, arms, settings, Path(name))
        samples = write_samples(sample, arms, Path(name)) if sample else {}
        order = session_order(len(arms), settings.processes, settings.seed)
        events = agent.measure(order, samples)
        trials = {name for contest in contests for name in contest.others}
        _refuse_dead([arm for arm in arms if arm.name not in trials], events)
        judged = agent.evaluate(samples)
        done = Session(
            recipe, started, settings, arms, order, events, judged, sample, contests, costs
        )
        record = to_record(done)
    return Stored(save(results, record, [*events, *judged]), record)


@dataclass(frozen=True)
class _Agent:
    """Jobs for the board's agent."""

    board: Board
    arms: Sequence[Arm]
    settings: SessionSettings
    folder: Path

    def measure(self, order: list[int], samples: Mapping[str, Path]) -> list[Event]:
        energy = energy_spec(self.settings, len(self.arms))
        spec = {**self._spec("measure", self.arms, samples), "order": order, "energy": energy}
        blocks = len(energy["order"]) + len(energy["sampler"]) if energy else 0
        with beside(self.settings.meter if energy else None) as meter:
            events = self._call(spec, len(order) + blocks, "measuring", meter)
            return [*events, *(meter.events() if meter else ())]

    def evaluate(self, samples: Mapping[str, Path]) -> list[Event]:
        """Outputs of the arms that have samples; nothing where none has."""
        arms = [arm for arm in self.arms if arm.name in samples]
        if not arms:
            return []
        spec = self._spec("evaluate", arms, samples)
        spec["evaluate"] = {"outputs": self.board.scratch()}
        events = self._call(spec, len(arms), "accuracy on the board")
        return [self._fetched(event) for event in events]

    def _fetched(self, event: Event) -> Event:
        """The event with its outputs on this machine."""
        if event["event"] != "outputs":
            return event
        to = self.folder / f"outputs-{event['index']}.npz"
        return {**event, "path": str(self.board.fetch(event["path"], to))}

    def _call(
        self, spec: dict[str, Any], processes: int, label: str, meter: Beside | None = None
    ) -> list[Event]:
        settings = self.settings
        soak_s = settings.soak_limit_s if settings.regime == "sustained" else 0.0
        timeout_s = processes * (settings.process_timeout_s + soak_s)
        with session_bar(processes, label) as moved:
            if meter is None:
                return self.board.run(spec, timeout_s=timeout_s, on_event=moved)
            with meter.reading():
                return self.board.run(
                    spec, timeout_s=timeout_s, on_event=meter.hears(moved), on_ready=meter.ready
                )

    def _spec(self, job: str, arms: Sequence[Arm], samples: Mapping[str, Path]) -> dict[str, Any]:
        settings = self.settings
        return {
            "protocol": PROTOCOL,
            "job": job,
            "runtime": settings.runtime,
            "threads": settings.threads,
            "affinity": list(settings.affinity) or None,
            "arms": [
                {
                    "name": arm.name,
                    "model": self.board.send(arm.model),
                    "samples": self._sent(samples.get(arm.name)),
                }
                for arm in arms
            ],
            "warmup_ns": settings.warmup_ms * 1_000_000,
            "window_ns": settings.window_ms * 1_000_000,
            "min_iterations": settings.min_iterations,
            "max_iterations": settings.max_iterations,
            "process_timeout_s": settings.process_timeout_s,
            "regime": settings.regime,
            "rate_hz": settings.rate_hz,
            "soak_limit_s": settings.soak_limit_s,
            "governor": settings.governor if job == "measure" else None,
            "sensors": list(settings.sensors) if job == "measure" else [],
            "sensor_interval_ms": settings.sensor_interval_ms,
        }

    def _sent(self, path: Path | None) -> str | None:
        return None if path is None else self.board.send(path)


def _refuse_dead(arms: Sequence[Arm], events: Sequence[Event]) -> None:
    """Refuse a session in which an arm has no figures at all."""
    alive = {e["arm"] for e in events if e["event"] == "process" and e["samples_ns"]}
    reasons = {e["arm"]: e["reason"] for e in events if e["event"] == "failed"}
    for arm in arms:
        if arm.name not in alive:
            raise Refused(
                f"every process of arm '{arm.name}' failed: {reasons.get(arm.name, 'no samples')}",
                where=arm.model,
                fix="try another --runtime, or leave this arm out",
            )
