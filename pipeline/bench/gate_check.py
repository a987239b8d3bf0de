"""Whether measured figures keep within a gate's bound: decided by their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline.bench.across import arm_pairs
from pipeline.bench.differences import difference, ratio
from pipeline.bench.gate import Gate
from pipeline.bench.records import Interval, Record, Row
from pipeline.errors import GateFailed, UsageError

Figure = tuple[float, Interval | None]
"""A value and its interval."""
EXACT = ("bytes",)
ACROSS = ("memory", "size", "accuracy")


class Outcome(StrEnum):
    """The whole interval within the bound, the whole interval beyond it, or neither.

    UNMEASURED: the session has no such figure, or not in the bound's unit. It never passes.
    """

    HELD = "HELD"
    BROKEN = "BROKEN"
    UNDECIDED = "UNDECIDED"
    UNMEASURED = "UNMEASURED"


@dataclass(frozen=True)
class Finding:
    """A gate and one arm. Where `unit` is None, value and interval are changes, as shares."""

    gate: str
    arm: str
    outcome: Outcome
    value: float | None
    interval: Interval | None
    unit: str | None

    def __str__(self) -> str:
        said = f"{self.gate} is {self.outcome.value} for {self.arm}"
        if self.value is None:
            return said
        seen = _shown(self.value, self.unit)
        if self.interval is None:
            return f"{said}: {seen}, without an interval"
        low, high = (_shown(end, self.unit) for end in self.interval)
        return f"{said}: {seen} [{low}, {high}]"


def _shown(value: float, unit: str | None) -> str:
    return f"{value:+.2%}" if unit is None else f"{value:.5g} {unit}"


def check_record(gates: Sequence[Gate], record: Record) -> list[Finding]:
    """Every gate on every arm but the baseline; on a lone arm where the bound is absolute.

    Raises:
        UsageError: see `require_baseline`.
    """
    baseline, *others = (arm.name for arm in record.arms)
    require_baseline(gates, len(record.arms))
    found = []
    for gate in gates:
        for arm in others or [baseline]:
            rows = row_of(record.rows, gate, baseline), row_of(record.rows, gate, arm)
            finding = check(gate, arm, rows, _ratio(gate, record, arm))
            found.append(
                _withheld(finding) if record.invalid and gate.metric != "size" else finding
            )
    return found


def _ratio(gate: Gate, record: Record, arm: str) -> Figure | None:
    """What the session itself says of the arm against the baseline: by pairs, or on one meter."""
    if gate.metric == "latency":
        found = record.comparison(arm)
        return None if found is None else (found.ratio, found.interval)
    row = record.row(f"{gate.row}_ratio", arm)
    return None if row is None else (row.value, row.interval)


def require_baseline(gates: Sequence[Gate], arms: int) -> None:
    """Raise UsageError for a change that is bounded where there is nothing to change from."""
    for gate in gates:
        if gate.unit is None and arms < 2:
            what = "is a bound against a baseline, and there is one arm only"
            fix = "measure two, or give an absolute bound"
            raise UsageError(what, where=f"--fail-on '{gate.text}'", fix=fix)


def _withheld(finding: Finding) -> Finding:
    """What an invalid session measured holds no bound and breaks none."""
    known = finding.outcome is not Outcome.UNMEASURED
    return replace(finding, outcome=Outcome.UNDECIDED) if known else finding


def check_across(gates: Sequence[Gate], first: Record, second: Record) -> list[Finding]:
    """Every gate on the second session's arms: absolute, or against the first session's arms.

    Raises:
        UsageError: a change in a time or an energy, which two sessions cannot tell from a change
            of temperature, clock or neighbours.
    """
    found = []
    for gate in gates:
        if gate.unit is None and gate.metric not in ACROSS:
            what = f"two sessions prove no change in {gate.metric}"
            fix = "bench both in one session: secateur bench A B --fail-on ..."
            raise UsageError(what, where=f"--fail-on '{gate.text}'", fix=fix)
        for old, new in arm_pairs(first, second):
            rows = row_of(first.rows, gate, old), row_of(second.rows, gate, new)
            found.append(check(gate, new, rows, None))
    return found


def check(
    gate: Gate, arm: str, rows: tuple[Row | None, Row | None], known: Figure | None
) -> Finding:
    """One gate on one arm, by the baseline's row and its own, and by a ratio that is known."""
    found = _figures(gate, rows, known)
    if found is None:
        return Finding(gate.text, arm, Outcome.UNMEASURED, None, None, gate.unit)
    value, interval = found
    return Finding(gate.text, arm, outcome(gate, interval), value, interval, gate.unit)


def _figures(
    gate: Gate, rows: tuple[Row | None, Row | None], known: Figure | None
) -> Figure | None:
    first, second = rows
    if second is None:
        return None
    if gate.unit is not None:
        return _absolute(gate, second)
    if known is not None:
        return _share(*known)
    return None if first is None else _change(first, second)


def outcome(gate: Gate, interval: Interval | None) -> Outcome:
    """By the interval alone: a point estimate beyond the bound proves nothing."""
    if interval is None:
        return Outcome.UNDECIDED
    low, high = interval if gate.above else (-interval[1], -interval[0])
    bound = gate.bound if gate.above else -gate.bound
    if low > bound:
        return Outcome.BROKEN
    return Outcome.HELD if high <= bound else Outcome.UNDECIDED


def enforce(findings: Sequence[Finding], *, undecided_fails: bool) -> None:
    """Raise GateFailed where a bound is broken, or not shown to hold if that is asked for."""
    failed = failure(findings, undecided_fails=undecided_fails)
    if failed:
        raise failed


def failure(findings: Sequence[Finding], *, undecided_fails: bool) -> GateFailed | None:
    """The error that `enforce` would raise."""
    failing = {Outcome.BROKEN, Outcome.UNMEASURED}
    failing |= {Outcome.UNDECIDED} if undecided_fails else set()
    failed = [str(finding) for finding in findings if finding.outcome in failing]
    return GateFailed("\n  ".join(failed)) if failed else None


def row_of(rows: Sequence[Row], gate: Gate, arm: str) -> Row | None:
    """The figure that a gate is about; None where it was not measured."""
    return next((row for row in rows if (row.name, row.arm) == (gate.row, arm)), None)


def _absolute(gate: Gate, row: Row) -> Figure | None:
    """None where the figure has another unit: an emulated session has instructions, no times."""
    factor = 1024 if (row.unit, gate.unit) == ("KiB", "bytes") else 1
    if row.unit != gate.unit and factor == 1:
        return None
    interval = _interval(row)
    ends = None if interval is None else (interval[0] * factor, interval[1] * factor)
    return row.value * factor, ends


def _change(first: Row, second: Row) -> Figure:
    a, b = (row.model_copy(update={"interval": _interval(row)}) for row in (first, second))
    if a.unit == "fraction":
        return b.value - a.value, difference(a, b)
    if a.value <= 0:
        return b.value - a.value, None
    return _share(b.value / a.value, ratio(a, b))


def _interval(row: Row) -> Interval | None:
    """The size of a file is known exactly."""
    return (row.value, row.value) if row.unit in EXACT else row.interval


def _share(value: float, interval: Interval | None) -> Figure:
    return value - 1, None if interval is None else (interval[0] - 1, interval[1] - 1)
