"""The exact share of each clock in the measured windows, from `time_in_state` around them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.bench.validity.evidence import Evidence, Process
from pipeline.board.moment import TICK_NS, states_in

Ticks = Mapping[int, int]


@dataclass(frozen=True)
class Stay:
    """Ticks of 10 ms that a policy spent at each clock in kHz, over `span_ns`."""

    policy: str
    ticks: dict[int, int]
    span_ns: int | None

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.ticks.values())

    @property
    def mean_khz(self) -> float | None:
        """Mean clock; None where no tick passed."""
        weighted = sum(khz * ticks for khz, ticks in self.ticks.items())
        return weighted / self.total if self.total > 0 else None

    @property
    def expected(self) -> float | None:
        """Ticks that passed by the clock of the samples."""
        return None if self.span_ns is None else self.span_ns / TICK_NS


def stays(process: Process) -> list[Stay]:
    """What the policies of a process's CPUs did in its window."""
    around = process.event.get("around") or {}
    before, after = (
        states_in((around.get(w) or {}).get("states", {})) for w in ("before", "after")
    )
    span = process.window and process.window[1] - process.window[0]
    used = policies_used(process, sorted(before))
    return [Stay(p, growth(before[p], after[p]), span) for p in used if p in after]


def growth(before: Ticks, after: Ticks) -> dict[int, int]:
    """Ticks by clock between two readings."""
    return {khz: after.get(khz, 0) - ticks for khz, ticks in before.items()}


def policies_used(process: Process, known: list[str]) -> list[str]:
    """Policies of the CPUs it ran on: each is named after its first CPU."""
    cpus = process.event.get("asked_affinity")
    if not cpus:
        at = [process.event.get(when) or {} for when in ("at_begin", "at_end")]
        cpus = [place["cpu"] for place in at if place.get("cpu") is not None]
    first = sorted(int(name.removeprefix("policy")) for name in known)
    found = {max((f for f in first if f <= cpu), default=None) for cpu in cpus}
    used = [f"policy{number}" for number in sorted(n for n in found if n is not None)]
    return used or known[:1]


def session_stays(evidence: Evidence) -> Iterator[tuple[Process, Stay]]:
    """Those of every process."""
    for process in evidence.processes:
        for stay in stays(process):
            yield process, stay


def session_shares(evidence: Evidence) -> dict[int, float]:
    """{kHz: share of the measured time}; empty where the board does not tell."""
    sums: Counter[int] = Counter()
    for _, stay in session_stays(evidence):
        sums.update({khz: ticks for khz, ticks in stay.ticks.items() if ticks > 0})
    total = sum(sums.values())
    return {khz: ticks / total for khz, ticks in sums.items()} if total else {}
