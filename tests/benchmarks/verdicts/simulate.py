"""Every world through every rule: false alarms, effects found, equivalence, coverage."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.bench.judged import judge_traces
from pipeline.bench.plan import session_pairs
from pipeline.bench.records import Verdict
from pipeline.bench.traces import Traces
from tests.benchmarks.verdicts.rules import RIVALS, SIGNS, Ours, ours, verdicts
from tests.benchmarks.verdicts.worlds import Maker, World

ITERATIONS = 60
EFFECT, EDGE = math.log(1.02), math.log(1.01)
CHECKED = 3
ARMS = 4


@dataclass
class Line:
    """Shares of sessions in one world, by rule."""

    world: str
    false: dict[str, float] = field(default_factory=dict)
    found: dict[str, float] = field(default_factory=dict)
    wrong_way: float = 0.0
    covered: float = 0.0
    equivalent: float = 0.0
    falsely_equivalent: float = 0.0


def simulate(maker: Maker, sessions: int, pairs: int, seed: int, *, rivals: bool = True) -> Line:
    """One world; our rule's fast path is checked against `secateur verdict`'s own on some."""
    name = maker.__name__.replace("_", " ")
    chance = np.random.default_rng([seed, pairs, zlib.crc32(name.encode())])
    world = maker(chance, sessions, 2 * pairs, ITERATIONS)
    rule = ours(world, seed)
    line = Line(name)
    _ours(line, rule)
    _check(world, rule)
    for rival, decide in RIVALS.items() if rivals else ():
        line.false[rival] = float(np.mean(decide(world, 0.0, chance) != 0))
        line.found[rival] = float(np.mean(decide(world, EFFECT, chance) == 1))
    return line


def matrix(maker: Maker, sessions: int, pairs: int, seed: int) -> tuple[float, float]:
    """Four equal arms: sessions with any false FASTER or SLOWER, with Holm and without."""
    chance = np.random.default_rng([seed, ARMS, zlib.crc32(maker.__name__.encode())])
    rule = ours(maker(chance, sessions, ARMS * pairs, ITERATIONS), seed, ARMS)
    shares = [float(rule.alarms(ARMS, corrected=corrected).mean()) for corrected in (True, False)]
    return shares[0], shares[1]


def _ours(line: Line, rule: Ours) -> None:
    low, high = rule.intervals(0.0)
    equal, edge = verdicts(low, high), verdicts(low + EDGE, high + EDGE)
    slower = verdicts(low + EFFECT, high + EFFECT)
    line.false["Secateur"] = float(np.mean(np.isin(equal, list(SIGNS))))
    line.found["Secateur"] = float(np.mean(slower == Verdict.SLOWER))
    line.wrong_way = float(np.mean(slower == Verdict.FASTER))
    line.covered = float(np.mean((low <= 0) & (high >= 0)))
    line.equivalent = float(np.mean(equal == Verdict.EQUIVALENT))
    line.falsely_equivalent = float(np.mean(edge == Verdict.EQUIVALENT))


def _check(world: World, rule: Ours) -> None:
    """Raise AssertionError where many at once is not what one file gives."""
    low, high = rule.intervals(EFFECT)
    for number in range(CHECKED):
        order = rule.orders[number]
        logs = world.inside[number] + world.layout[number][:, None] + EFFECT * order[:, None]
        samples: list[Any] = np.exp(logs).tolist()
        place = [int(np.sum(order[:slot] == arm)) for slot, arm in enumerate(order)]
        pairs = [(place[i], place[j]) for i, j in session_pairs(order.tolist(), 0, 1)]
        arms = [[samples[s] for s in np.flatnonzero(order == arm)] for arm in (0, 1)]
        found = judge_traces(Traces(arms[0], arms[1], pairs, by_index=False)).decision
        assert found.interval is not None
        np.testing.assert_allclose(np.log(found.interval), (low[number], high[number]), atol=1e-9)
        assert found.verdict == verdicts(low[number : number + 1], high[number : number + 1])[0]
