"""`make benchmark-accuracy`: accuracy after the same fine-tuning, at 2x and 4x fewer MACs.

Every cell (task, seed, share of the MACs, arm) leaves one JSON line in
`build/benchmark-accuracy/results.jsonl`; a second start goes on where the first one stopped.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from tests.benchmarks.accuracy.arms import DEFAULTS, RANDOM, RIVALS, SAME, SCRATCH, UNIFORM
from tests.benchmarks.accuracy.run import Cell, line
from tests.benchmarks.accuracy.table import chosen, ranking, text
from tests.benchmarks.accuracy.tasks import TASKS
from tests.benchmarks.lines import read
from tests.benchmarks.prune.packages import PACKAGES
from tests.benchmarks.venv import enter, python

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "build" / "benchmark-accuracy"
SEEDS, SHARES = {"watch": range(8), "fashion": range(3)}, (0.5, 0.25)
ON_FASHION = 2
"""Candidates that the costly task sees: the best of the cheap one."""


def main() -> None:
    """Run, in the environment that has the rival, what has no line yet; then print the table."""
    parser = argparse.ArgumentParser(prog="benchmark-accuracy", description=__doc__)
    parser.add_argument("--task", choices=TASKS, action="append", help="one task only")
    parser.add_argument("--seed", type=int, action="append", help="one seed only")
    parser.add_argument("--cells", type=int, default=None, help="stop after so many")
    given = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    enter(
        python(ROOT / "build" / "benchmark-prune" / "venv", PACKAGES), "tests.benchmarks.accuracy"
    )
    torch.set_num_threads(1)
    results = FOLDER / "results.jsonl"
    tasks, seeds = given.task or TASKS, given.seed or SEEDS["watch"]
    asked = [(c, arm) for c, arm in missing(results) if c.task in tasks and c.seed in seeds]
    for cell, default in asked[: given.cells]:
        made = line(cell, FOLDER, default)
        with results.open("a") as file:
            file.write(json.dumps(made) + "\n")
        print(json.dumps(made), file=sys.stderr, flush=True)
    print(text(read(results), FOLDER))


def missing(results: Path) -> Iterator[tuple[Cell, str]]:
    """Candidates first, the cheap task before the costly one; then what the choice is held to."""
    lines = read(results)
    done = {Cell(x["task"], x["seed"], x["share"], x["arm"]) for x in lines}
    wanted = [(cell, "") for cell in _grid("watch", DEFAULTS)]
    if all(cell in done for cell, _ in wanted):
        best = [arm for arm, _ in ranking([x for x in lines if x["task"] == "watch"])]
        wanted += [(cell, "") for cell in _grid("fashion", best[:ON_FASHION])]
        default = chosen(lines) if all(cell in done for cell, _ in wanted) else ""
        wanted += [(cell, "") for cell in _grid("watch", (SAME,))]
        for task in TASKS:
            wanted += [(cell, "") for cell in _grid(task, (*RIVALS, RANDOM, UNIFORM))]
            wanted += [(Cell(task, seed, 1, "dense"), "") for seed in SEEDS[task]]
            wanted += [(cell, default) for cell in _grid(task, (SCRATCH,)) if default]
    yield from ((cell, default) for cell, default in wanted if cell not in done)


def _grid(task: str, arms: object) -> list[Cell]:
    seeds = SEEDS[task]
    return [Cell(task, s, share, arm) for arm in arms for s in seeds for share in SHARES]  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
