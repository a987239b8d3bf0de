"""`make benchmark-verdicts`: how often each tool's rule is wrong, and how often it finds 2 %.

Simulated sessions first, then real ones: this machine against itself, and virtual boards whose
ratio is known. Sessions that were measured already stay; the rest goes on after a stop.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.benchmarks.verdicts import table
from tests.benchmarks.verdicts.simulate import Line, matrix, simulate
from tests.benchmarks.verdicts.worlds import WORLDS

FOLDER = Path(__file__).resolve().parents[3] / "build" / "benchmark-verdicts"
FEW_AND_MANY = (3, 5, 10, 60)
Alarms = tuple[float, float]
LIMITS = {"false": 0.065, "found": 0.95}


def main() -> None:
    """Simulate, print, and fail where our own rule misses its bounds."""
    parser = argparse.ArgumentParser(prog="benchmark-verdicts", description=__doc__)
    parser.add_argument("--sessions", type=int, default=2000, help="in each world")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--here", type=int, default=20, help="real A/A sessions on this machine")
    parser.add_argument("--simulated", action="store_true", help="no real sessions")
    given = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    lines, others, arms = run(given)
    text = "\n\n".join([table.by_world(lines), table.by_pairs(others), table.by_arms(arms)])
    print(text)
    print(f"{time.monotonic() - begin:.0f} s", file=sys.stderr)
    if not given.simulated:
        from tests.benchmarks.verdicts import boards

        text += "\n\n" + boards.run(FOLDER, given.here)
    (FOLDER / "table.md").write_text(text + "\n")
    missed = table.missed(lines, LIMITS)
    sys.exit("\n".join(missed) if missed else 0)


def run(given: argparse.Namespace) -> tuple[list[Line], dict[int, list[Line]], list[Alarms]]:
    """Every world at the asked number of pairs with all rules; ours alone at other numbers."""
    with ProcessPoolExecutor(given.jobs) as pool:
        main_jobs = [
            pool.submit(simulate, maker, given.sessions, given.pairs, given.seed)
            for maker in WORLDS
        ]
        jobs = {
            pairs: [
                pool.submit(
                    simulate, maker, max(given.sessions // 4, 50), pairs, given.seed, rivals=False
                )
                for maker in WORLDS
            ]
            for pairs in FEW_AND_MANY
        }
        arms = [
            pool.submit(matrix, maker, max(given.sessions // 4, 50), 10, given.seed)
            for maker in WORLDS
        ]
        lines = []
        for job in main_jobs:
            lines.append(job.result())
            print(table.short(lines[-1]), file=sys.stderr, flush=True)
        by_pairs = {pairs: [job.result() for job in each] for pairs, each in jobs.items()}
        return lines, by_pairs, [job.result() for job in arms]


if __name__ == "__main__":
    main()
