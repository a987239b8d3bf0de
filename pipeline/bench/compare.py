"""What a table, a plot or an export shows of the records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.bench.records import Comparison, Record, Row
from pipeline.bench.results import Stored

ENERGY = ("mJ", "W")


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
    """The last valid session of each recipe on each board, runtime and regime, by their ids.

    A later one that is invalid stands beside it: shown with its reason, never in its place.
    """
    ordered = sorted(stored, key=_id)
    valid = {_kind(s.record): s for s in ordered if not s.record.invalid}
    last = {_kind(s.record): s for s in ordered}
    found = {_id(s): s for s in [*valid.values(), *last.values()]}
    return sorted(found.values(), key=_id)


def lines(record: Record) -> Iterator[Line]:
    """The arms of a record, baseline first; energy is of one scope, the first by name."""
    scope = next((row.scope for row in record.rows if row.unit in ENERGY), None)
    for arm in record.arms:
        rows = [row for row in record.rows if row.arm == arm.name
                and (row.unit not in ENERGY or row.scope == scope)]  # fmt: skip
        figures: dict[str, Row] = {}
        for row in rows:
            figures.setdefault(row.name, row)
        yield Line(record, arm.name, figures, record.comparison(arm.name))


def _kind(record: Record) -> tuple[str | None, ...]:
    machine = record.machine
    regime = [str(record.settings.get(name)) for name in ("regime", "rate_hz")]
    return record.recipe, record.target, machine.name, machine.cpu, machine.runtime, *regime


def _id(stored: Stored) -> str:
    return stored.record.id
