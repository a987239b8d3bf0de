"""All that the rules look at, in the form they look at it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pipeline.bench.records import Caution, Level
from pipeline.bench.results import Event
from pipeline.bench.session_warnings import SessionWarning
from pipeline.bench.settings import SessionSettings
from pipeline.board.cpu import UNKNOWN, Cpu
from pipeline.board.moment import Moment, moments
from pipeline.convert.audit import Port
from pipeline.convert.macs import Macs


@dataclass(frozen=True)
class Model:
    """What is known of an arm's file here; None where it could not be read as a model."""

    digest: str
    inputs: Sequence[Port] | None = None
    macs: Macs | None = None


@dataclass(frozen=True)
class Process:
    """One measured process, by what its event tells."""

    event: Event

    @property
    def index(self) -> int:
        """Position in the session's order."""
        return int(self.event["index"])

    @property
    def arm(self) -> str:
        """Name of the arm."""
        return str(self.event["arm"])

    @property
    def samples(self) -> list[int]:
        """Latencies in ns."""
        return list(self.event["samples_ns"])

    @property
    def service(self) -> list[int]:
        """Times of the inferences alone, which in the paced regime are not the samples."""
        return list(self.event.get("service_ns") or self.event["samples_ns"])

    @property
    def window(self) -> tuple[int, int] | None:
        """Begin and end on the clock of the samples."""
        bounds = self.event.get("window_t_ns")
        return (int(bounds[0]), int(bounds[1])) if bounds else None

    def usage(self, name: str) -> int | None:
        """One figure of what the window used; None where the agent did not tell."""
        value = (self.event.get("usage") or {}).get(name)
        return None if value is None else int(value)


@dataclass(frozen=True)
class Evidence:
    """A session's processes, the looks at its board, and what should have been measured."""

    settings: SessionSettings
    events: Sequence[Event]
    models: Mapping[str, Model] = field(default_factory=dict)
    cpus: int | None = None
    cpu: Cpu = UNKNOWN

    @cached_property
    def moments(self) -> list[Moment]:
        """The board from before the first process to after the last one."""
        return moments(self.events)

    @cached_property
    def watched(self) -> list[Moment]:
        """The looks while the session's own settings held: without the first, if there are more."""
        changed = self.settings.governor is not None
        return self.moments[1:] if changed and len(self.moments) > 1 else self.moments

    @cached_property
    def processes(self) -> list[Process]:
        """Those that gave samples, in the order they ran."""
        return [Process(e) for e in self.events if e["event"] == "process" and e.get("samples_ns")]

    @cached_property
    def arms(self) -> dict[str, list[Process]]:
        """{arm: its processes}."""
        found: dict[str, list[Process]] = {}
        for process in self.processes:
            found.setdefault(process.arm, []).append(process)
        return found

    @property
    def burst(self) -> bool:
        """Whether the processor was to be busy all through the windows."""
        return self.settings.regime != "paced"

    def around(self, process: Process) -> tuple[Moment, Moment] | None:
        """The looks right before and right after a process."""
        marks = {m.index: m for m in self.moments if m.index is not None}
        begin, end = marks.get(process.index), marks.get(process.index + 1)
        return None if begin is None or end is None else (begin, end)


def caution(
    kind: SessionWarning, level: Level, detail: str, process: Process | None = None
) -> Caution:
    """A finding; one of a process names it."""
    if process is None:
        return Caution(kind=kind.name, level=level, detail=detail)
    said = f"process {process.index} ('{process.arm}'): {detail}"
    return Caution(kind=kind.name, level=level, detail=said, process=process.index, arm=process.arm)


def median_of(values: Sequence[float]) -> float | None:
    """Their median; None of none."""
    return statistics.median(values) if values else None
