"""All rules over one session."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipeline.bench.records import Caution, Comparison, Level, Verdict
from pipeline.bench.validity import (
    clock,
    identity,
    load,
    memory,
    roofline,
    samples,
    sensors,
    spread,
    steady_clock,
    surroundings,
    times,
)
from pipeline.bench.validity.evidence import Evidence

Rule = Callable[[Evidence], Iterator[Caution]]

RULES: tuple[Rule, ...] = (
    times.jumps, times.sleeps, times.slews, times.disorder,
    samples.frozen, samples.coarse, samples.truncated, samples.duplicated,
    identity.model, identity.inputs, identity.outputs, identity.cached, roofline.implausible,
    clock.under_voltage, clock.throttling, clock.governor, clock.capped,
    steady_clock.residency, steady_clock.measured, steady_clock.record,
    surroundings.cpus, surroundings.affinity, surroundings.heat, surroundings.steady_heat,
    load.foreign, load.stolen, load.preempted,
    memory.swapping, memory.disk_reads, memory.page_faults, memory.pressure, memory.uneven,
    memory.cold_cache,
    sensors.faults, sensors.line, sensors.clock,
    spread.medians, spread.failures,
)  # fmt: skip
ORDER = (Level.INVALID, Level.CAUTION, Level.NOTE)


def judge(evidence: Evidence) -> list[Caution]:
    """Every finding, the gravest first; equal ones once."""
    found = list(dict.fromkeys(each for rule in RULES for each in rule(evidence)))
    return sorted(found, key=lambda each: ORDER.index(each.level))


def withheld(comparison: Comparison, cautions: list[Caution]) -> Comparison:
    """The comparison; of an invalid session its figures stay, its verdict does not."""
    if all(each.level is not Level.INVALID for each in cautions):
        return comparison
    return comparison.model_copy(update={"verdict": Verdict.INVALID, "pairs_needed": None})
