"""Under a session's table: what an arm with scheme auto took, and what each step cost."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.bench.records import Chosen, Cost, Record


def choices(record: Record) -> Iterator[str]:
    """A line for each choice, and one for each scheme that was not taken."""
    for chosen in record.choices:
        yield f"auto: {chosen.arm} takes {chosen.taken} ({_why(chosen)})"
        for tried in chosen.tried:
            if not tried.kept:
                ratio = f"x{tried.comparison.ratio:.3g}, " if tried.comparison else ""
                yield f"  not {tried.arm}: {ratio}{tried.why}"


def _why(chosen: Chosen) -> str:
    (kept,) = (tried for tried in chosen.tried if tried.kept)
    ratio = f"x{kept.comparison.ratio:.3g} " if kept.comparison else ""
    return f"{ratio}{kept.why}"


def costs(record: Record) -> Iterator[str]:
    """A line for each arm: its steps, how each changed the metric and how far it moved outputs."""
    arms = dict.fromkeys(cost.arm for cost in record.costs)
    if arms:
        yield "what each step changed, on validation (metric; distance of the outputs):"
    for arm in arms:
        steps = ", ".join(_step(cost) for cost in record.costs if cost.arm == arm)
        yield f"  {arm}: {steps}"


def _step(cost: Cost) -> str:
    delta = "" if cost.delta is None else f" {cost.delta:+.4f}"
    distance = "" if cost.sqnr_db is None else f" ({cost.sqnr_db:.1f} dB)"
    return f"{cost.step}{delta}{distance}"
