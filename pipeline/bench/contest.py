"""An arm with scheme auto: its schemes run in one session, against each other's own float file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.bench.arms import Arm
from pipeline.bench.choice import Offer, choose
from pipeline.bench.plan import session_pairs
from pipeline.bench.records import Caution, Chosen, Comparison, Tried
from pipeline.bench.results import Event
from pipeline.bench.rows import compare_arms
from pipeline.bench.validity.judge import withheld


@dataclass(frozen=True)
class Contest:
    """The arm `name`: `baseline` and `others` are measured arms of its own model.

    `missing` says why one may not be taken, also one that was not measured at all.
    """

    name: str
    baseline: str
    others: tuple[str, ...]
    missing: Mapping[str, str]


def settle(
    contest: Contest, arms: Sequence[Arm], order: list[int], processes: Mapping[int, Event],
    cautions: list[Caution],
) -> Chosen:  # fmt: skip
    """Choose on what the session measured; of an invalid one the baseline stays."""
    place = {arm.name: number for number, arm in enumerate(arms)}
    size = {arm.name: arm.model.stat().st_size for arm in arms}
    pairs = {
        name: session_pairs(order, place[contest.baseline], place[name])
        for name in contest.others
        if name in place
    }
    found = compare_arms(contest.baseline, pairs, processes)
    compared: dict[str, Comparison] = {one.arm: withheld(one, cautions) for one in found}
    names = dict.fromkeys((*contest.others, *contest.missing))
    offers = [
        Offer(name, size.get(name, 0), compared.get(name), contest.missing.get(name, ""))
        for name in names
    ]
    choice = choose(Offer(contest.baseline, size[contest.baseline]), offers)
    tried = [
        Tried(arm=name, comparison=compared.get(name), kept=name == choice.name, why=why)
        for name, why in choice.why.items()
    ]
    return Chosen(arm=contest.name, taken=choice.name, tried=tried)
