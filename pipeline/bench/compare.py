"""What a table, a plot or an export shows of the records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.bench.records import Comparison, Record, Row
from pipeline.bench.results import Stored


@dataclass(frozen=True)
class Line:
    """One arm of one session. `figures` has no entry for what was not measured."""

    record: Record
    arm: str
    figures: dict[str, Row]
    comparison: Comparison | None

    @property
    def is_baseline(self) -> bool:
        """The arm that the others of its session are compared with."""
        return self.arm == self.record.arms[0].name


def newest(stored: Iterable[Stored]) -> list[Stored]:
    """The last session of each recipe on each board in each runtime, in the order of their ids."""
    last = {_kind(s.record): s for s in sorted(stored, key=_id)}
    return sorted(last.values(), key=_id)


def lines(record: Record) -> Iterator[Line]:
    """The arms of a record, baseline first; of several energy rails the first by name."""
    for arm in record.arms:
        rows = [row for row in record.rows if row.arm == arm.name]
        figures: dict[str, Row] = {}
        for row in rows:
            figures.setdefault(row.name, row)
        yield Line(record, arm.name, figures, record.comparison(arm.name))


def _kind(record: Record) -> tuple[str | None, ...]:
    machine = record.machine
    return record.recipe, record.target, machine.name, machine.cpu, machine.runtime


def _id(stored: Stored) -> str:
    return stored.record.id
