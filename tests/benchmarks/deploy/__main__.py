"""`make benchmark-deploy`: faults and power cuts under a push and publish, in two clients.

Every trial leaves two JSON lines in `build/benchmark-deploy/results.jsonl`, every power cut two
more; a second start goes on where the first one stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import queue
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.deploy import power, worker
from tests.benchmarks.deploy.plan import KINDS, trials
from tests.benchmarks.deploy.table import row, totals
from tests.benchmarks.lines import read

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "build" / "benchmark-deploy"
SEED = 20261125


def main() -> None:
    """Run what has no line yet, then print the table."""
    parser = argparse.ArgumentParser(prog="benchmark-deploy", description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="take every n-th trial only")
    parser.add_argument("--kind", action="append", choices=[*KINDS, power.KIND], help="these only")
    parser.add_argument("--cuts", type=int, default=40, help="power cuts of the virtual board")
    parser.add_argument("--jobs", type=int, default=8, help="trials at once; most of them wait")
    parser.add_argument("--boards", type=int, default=2, help="virtual boards at once")
    parser.add_argument("--seed", type=int, default=SEED, help="other faults")
    given = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    results = FOLDER / f"results{'' if given.seed == SEED else f'-{given.seed}'}.jsonl"
    kinds = given.kind or [*KINDS, power.KIND]
    chosen = [t for t in trials(given.seed)[:: given.every] if t.kind in kinds]
    done = {(line["kind"], line["trial"]) for line in read(results)}
    left = [t for t in chosen if (t.kind, t.number) not in done]
    _all(results, left, given.jobs, worker.work)
    cuts = range(0, given.cuts, given.every) if power.KIND in kinds else ()
    _all(
        results,
        [(n, given.seed) for n in cuts if (power.KIND, n) not in done],
        given.boards,
        power.work,
    )
    asked = {(t.kind, t.number) for t in chosen} | {(power.KIND, number) for number in cuts}
    print(totals([line for line in read(results) if (line["kind"], line["trial"]) in asked]))


def _all(results: Path, chosen: Sequence[Any], jobs: int, work: Callable[..., None]) -> None:
    """Trials in several processes, each with a board of its own."""
    context = multiprocessing.get_context("spawn")
    asked, told = context.Queue(), context.Queue()
    jobs = min(jobs, len(chosen))
    for trial in [*chosen, *[None] * jobs]:
        asked.put(trial)
    folders = [FOLDER / work.__module__.rpartition(".")[2] / str(n) for n in range(jobs)]
    workers = [context.Process(target=work, args=(f, asked, told), daemon=True) for f in folders]
    for each in workers:
        each.start()
    while any(each.is_alive() for each in workers) or not told.empty():
        with contextlib.suppress(queue.Empty):
            keep(results, told.get(timeout=1))


def keep(results: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Lines on the disk, before the next trial."""
    with results.open("a") as file:
        for line in lines:
            file.write(json.dumps(line) + "\n")
            print(row(line), file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
