"""`make benchmark-validity`: sessions that are broken in many ways and sizes, and clean ones.

Synthetic boards tell what a real agent would (texts, clocks, samples). All rules of the host's own
code judge it, and of every tenth the whole record is made (`to_record`). The seeds are those that
no threshold was tuned on. Lines go to `build/benchmark-validity/results.jsonl`, the table to
stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.bench.arms import Arm
from pipeline.bench.assemble import Session, to_record
from pipeline.bench.records import Caution, Level, Record, Steadiness, Verdict
from pipeline.bench.validity.evidence import Evidence
from pipeline.bench.validity.judge import judge
from pipeline.board.cpu import cpu
from tests.benchmarks.validity import clocks, sensors, subject, system, time  # noqa: F401 (they register)
from tests.benchmarks.validity.boards import KINDS
from tests.benchmarks.validity.corruptions import CORRUPTIONS, Corruption
from tests.benchmarks.validity.session import Made, clean
from tests.benchmarks.validity.table import report

FOLDER = Path(__file__).resolve().parents[3] / "build" / "benchmark-validity"
Task = tuple[str | None, float, int]
WARM_UP = "warm-up"
LEVEL = (Steadiness.FLAT, Steadiness.TOO_SHORT)
WHOLE = 10
"""Every so many sessions become a whole record, not findings alone (all where it takes one)."""
TUNING, REPORTED = 1_000, 1_000_000
"""First seed of those that thresholds may be looked at with, and of those that count."""


def main() -> None:
    """Run, write a line a trial, print the table."""
    parser = argparse.ArgumentParser(prog="benchmark-validity", description=__doc__)
    parser.add_argument("kinds", nargs="*", help="parts of names; all if none is given")
    parser.add_argument("--trials", type=int, default=20, help="of each kind and magnitude")
    parser.add_argument("--clean", type=int, default=1000, help="clean sessions")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at a time")
    parser.add_argument("--tuning", action="store_true", help="the seeds that are not reported")
    given = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    lines = []
    with (FOLDER / "results.jsonl").open("w") as file, ProcessPoolExecutor(given.jobs) as pool:
        for line in pool.map(run, tasks(given), chunksize=8):
            lines.append(line)
            file.write(json.dumps(line) + "\n")
            file.flush()
            if len(lines) % 100 == 0:
                print(f"{len(lines)} sessions", file=sys.stderr, flush=True)
    text = report(lines)
    (FOLDER / "table.txt").write_text(text + "\n")
    print(text)


def tasks(given: argparse.Namespace) -> list[Task]:
    """(corruption, magnitude, seed) of every trial; no corruption for a clean session."""
    first = TUNING if given.tuning else REPORTED
    chosen = [
        what
        for name, what in CORRUPTIONS.items()
        if not given.kinds or any(part in name for part in given.kinds)
    ]
    found: list[Task] = [
        (what.name, magnitude, first + n)
        for what in chosen
        for magnitude in what.magnitudes
        for n in range(given.trials)
    ]
    if not given.kinds or "clean" in given.kinds:
        found += [(None, 0.0, first + 500_000 + n) for n in range(given.clean)]
    return found


def run(task: Task) -> dict[str, Any]:
    """One session."""
    name, magnitude, seed = task
    return untouched(seed) if name is None else trial(CORRUPTIONS[name], magnitude, seed)


def trial(what: Corruption, magnitude: float, seed: int) -> dict[str, Any]:
    """One corrupted session on a board where it can happen."""
    name = f"{what.name} {magnitude} {seed}"
    chance = random.Random(name)
    kind = chance.choice([kind for kind in KINDS if what.needs(kind)])
    made = clean(zlib.crc32(name.encode()), regime=what.regime, kind=kind)
    what.change(made, magnitude, chance)
    whole = what.expected == {WARM_UP} or seed % WHOLE == 0
    found = of_record(recorded(made)) if whole else graver(judged(made))
    hit = sorted(what.expected & set(found))
    return {
        "kind": what.name, "unit": what.unit, "magnitude": magnitude, "seed": seed,
        "board": kind.name, "found": found, "detected": bool(hit), "by": hit,
        "invalid": any(found[name] == Level.INVALID for name in hit), "record": whole,
    }  # fmt: skip


def untouched(seed: int) -> dict[str, Any]:
    """One clean session; a fifth of them sustained, a fifth paced."""
    regime = ("burst", "burst", "burst", "sustained", "paced")[seed % 5]
    made = clean(seed, regime=regime)
    whole = seed % WHOLE == 0
    found = of_record(recorded(made)) if whole else graver(judged(made))
    return {
        "kind": None, "seed": seed, "board": made.kind.name, "regime": regime, "found": found,
        "record": whole,
    }  # fmt: skip


def graver(cautions: Sequence[Caution]) -> dict[str, str]:
    """{finding: gravest level}, of those that are more than a note."""
    found: dict[str, str] = {}
    for caution in cautions:
        if caution.level is not Level.NOTE:
            found.setdefault(caution.kind, caution.level.value)
    return found


def of_record(record: Record) -> dict[str, str]:
    """The findings of a record, the class of its processes among them."""
    found = graver(record.cautions)
    invalid = {comparison.verdict is Verdict.INVALID for comparison in record.comparisons}
    assert invalid <= {bool(record.invalid)}, "an invalid session has no verdict, a valid one has"
    classes = [process.steadiness for process in record.processes]
    if 2 * sum(each not in LEVEL for each in classes) > len(classes):
        found[WARM_UP] = Level.CAUTION.value
    return found


def judged(made: Made) -> list[Caution]:
    """What all rules say of a session."""
    cpuinfo = made.kind.cpuinfo()
    return judge(Evidence(made.settings, made.events, made.models, made.kind.cpus, cpu(cpuinfo)))


def recorded(made: Made) -> Record:
    """The record that the host makes of the events, on arms whose files are named by digest."""
    with tempfile.TemporaryDirectory() as folder:
        arms = [Arm(name, Path(folder) / f"{name}.tflite") for name in made.models]
        for arm in arms:
            arm.model.write_bytes(b"....TFL3" + arm.name.encode())
        done = Session(
            recipe="validity", started=datetime(2026, 1, 1, tzinfo=UTC), settings=made.settings,
            arms=arms, order=made.order, events=made.events, outputs=[], sample=None,
        )  # fmt: skip
        return to_record(done, models=made.models)


if __name__ == "__main__":
    main()
