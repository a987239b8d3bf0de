"""What the lines say: the ranking on validation, and the table on test."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from scipy import stats

from tests.benchmarks.accuracy.arms import (
    CRITERIA,
    DEFAULTS,
    RANDOM,
    RIVALS,
    SAME,
    SCRATCH,
    UNIFORM,
)

Line = dict[str, Any]


def ranking(lines: list[Line]) -> list[tuple[str, float]]:
    """Candidates and their mean validation accuracy over tasks, shares and seeds; best first.

    Only candidates that were run wherever any was are compared.
    """
    found = _validation(lines)
    cells = set().union(*found.values()) if found else set()
    means = [(a, statistics.mean(x.values())) for a, x in found.items() if set(x) == cells]
    return sorted(means, key=lambda pair: -pair[1])


def chosen(lines: list[Line]) -> str:
    """The best candidate, unless one with a cheaper criterion cannot be told from it.

    That is: the 95 % interval of the differences, cell by cell, contains 0.
    """
    ranked, found = ranking(lines), _validation(lines)
    best = ranked[0][0]

    def equal(arm: str) -> bool:
        both = [found[best][cell] - found[arm][cell] for cell in found[best]]
        mean, half = mean_and_half(both)
        return abs(mean) <= half

    near = [arm for arm, _ in ranked if arm == best or equal(arm)]
    return min(near, key=lambda arm: CRITERIA.index(arm.split()[0]))


def _validation(lines: list[Line]) -> dict[str, dict[tuple[Any, ...], float]]:
    found: dict[str, dict[tuple[Any, ...], float]] = {arm: {} for arm in DEFAULTS}
    for x in lines:
        if x["arm"] in DEFAULTS:
            found[x["arm"]][x["task"], x["seed"], x["share"]] = x["validation"]
    return {arm: cells for arm, cells in found.items() if cells}


def mean_and_half(values: list[float]) -> tuple[float, float]:
    """Mean, and half of its 95 % interval by Student's t."""
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return statistics.mean(values), float(half)


def text(lines: list[Line], folder: Path) -> str:
    """Both tables as Markdown; the second once all of its arms are there."""
    if not ranking(lines):
        return "no candidate is complete yet"
    rows = ["| candidate | watch: validation, % | both tasks |", "|---|---|---|"]
    both = dict(ranking(lines))
    for arm, mean in ranking([x for x in lines if x["task"] == "watch"]):
        rows.append(f"| {arm} | {100 * mean:.2f} | {100 * both[arm]:.2f} |" if arm in both
                    else f"| {arm} | {100 * mean:.2f} | |")  # fmt: skip
    default = chosen(lines)
    rows += ["", f"default: {default}"]
    arms = dict.fromkeys([default, *RIVALS, SAME, UNIFORM, RANDOM, SCRATCH])
    tested = [{**x, "test": json.loads((folder / x["test_file"]).read_text())} for x in lines]
    tested = [x for x in tested if x["arm"] in (*arms, "dense")]
    for task in dict.fromkeys(x["task"] for x in tested):
        mine = [x for x in tested if x["task"] == task]
        rows += ["", *_table(task, mine, default, list(arms))]
    return "\n".join(rows)


def _table(task: str, lines: list[Line], default: str, arms: list[str]) -> list[str]:
    dense = [100 * x["test"] for x in lines if x["arm"] == "dense"]
    rows = [f"{task}: dense {interval(dense)} % of test", ""]
    rows += ["| MACs | arm | params, % | test, % | default minus it |", "|---|---|---|---|---|"]
    for share in sorted({x["share"] for x in lines if x["share"] < 1}, reverse=True):
        ours = _by_seed(lines, default, share)
        for arm in arms:
            theirs = _by_seed(lines, arm, share)
            if not theirs:
                continue
            params = statistics.mean(x["params"] for x in theirs.values())
            reached = statistics.mean(x["macs"] for x in theirs.values())
            scores = [100 * x["test"] for x in theirs.values()]
            both = [100 * (ours[s]["test"] - theirs[s]["test"]) for s in theirs if s in ours]
            name = f"**{arm}** (default)" if arm == default else arm.rpartition(":")[2]
            name += "" if len(theirs) == len(ours) else f" ({len(theirs)} seeds)"
            gap = "" if arm == default else interval(both, signed=True)
            row = f"| {reached:.1%} | {name} | {100 * params:.1f} | {interval(scores)} | {gap} |"
            rows.append(row)
    return rows


def _by_seed(lines: list[Line], arm: str, share: float) -> dict[int, Line]:
    return {x["seed"]: x for x in lines if x["arm"] == arm and x["share"] == share}


def interval(values: list[float], *, signed: bool = False) -> str:
    """Mean and 95 % interval by Student's t over the seeds."""
    if len(values) < 2:
        return "missing"
    mean, half = mean_and_half(values)
    return f"{mean:{'+' if signed else ''}.2f} [{mean - half:.2f}, {mean + half:.2f}]"
