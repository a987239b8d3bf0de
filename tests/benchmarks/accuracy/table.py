"""What the lines say: the ranking on validation, and the table on test."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from scipy import stats

from tests.benchmarks.accuracy.arms import DEFAULTS, RANDOM, RIVALS, SCRATCH, UNIFORM

Line = dict[str, Any]


def chosen(lines: list[Line]) -> list[tuple[str, float]]:
    """Candidates and their mean validation accuracy over tasks, shares and seeds; best first.

    Only candidates that were run wherever any was are compared. Of equals the first listed wins.
    """
    cut = [x for x in lines if x["arm"] in DEFAULTS]
    cells = {(x["task"], x["seed"], x["share"]) for x in cut}
    found: dict[str, list[float]] = {}
    for one in cut:
        found.setdefault(one["arm"], []).append(one["validation"])
    complete = {arm: scores for arm, scores in found.items() if len(scores) == len(cells)}
    means = [(arm, statistics.mean(complete[arm])) for arm in DEFAULTS if arm in complete]
    return sorted(means, key=lambda pair: -pair[1])


def text(lines: list[Line], folder: Path) -> str:
    """Both tables as Markdown; the second once all of its arms are there."""
    ranking = chosen(lines)
    if not ranking:
        return "no candidate is complete yet"
    rows = ["| candidate | validation, % |", "|---|---|"]
    rows += [f"| {arm} | {100 * mean:.2f} |" for arm, mean in ranking]
    default = ranking[0][0]
    arms = dict.fromkeys([default, *RIVALS, UNIFORM, RANDOM, SCRATCH])
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
            name = f"**{arm}** (default)" if arm == default else arm
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
    mean = statistics.mean(values)
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / len(values) ** 0.5
    return f"{mean:{'+' if signed else ''}.2f} [{mean - half:.2f}, {mean + half:.2f}]"
