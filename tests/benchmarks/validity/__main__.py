"""`make benchmark-validity`: sessions that are broken in many ways and sizes, and clean ones.

Synthetic boards tell what a real agent would (texts, clocks, samples); the record is made of it by
the host's own code, `to_record` and all its rules. The seeds are those that no threshold was tuned
on. Lines go to `build/benchmark-validity/results.jsonl`; the table to stdout.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.artifacts import file_digest
from pipeline.bench import assemble
from pipeline.bench.arms import Arm
from pipeline.bench.assemble import Session, to_record
from pipeline.bench.records import Level, Record, Steadiness
from pipeline.bench.validity.evidence import Model
from tests.benchmarks.validity import clocks, subject, system, time  # noqa: F401 (they register)
from tests.benchmarks.validity.boards import KINDS
from tests.benchmarks.validity.corruptions import CORRUPTIONS, Corruption
from tests.benchmarks.validity.session import Made, clean
from tests.benchmarks.validity.table import report

FOLDER = Path(__file__).resolve().parents[3] / "build" / "benchmark-validity"
TUNING, REPORTED = 1_000, 1_000_000
"""First seed of those that thresholds may be looked at with, and of those that count."""


def main() -> None:
    """Run, write a line a trial, print the table."""
    parser = argparse.ArgumentParser(prog="benchmark-validity", description=__doc__)
    parser.add_argument("kinds", nargs="*", help="parts of names; all if none is given")
    parser.add_argument("--trials", type=int, default=20, help="of each kind and magnitude")
    parser.add_argument("--clean", type=int, default=1000, help="clean sessions")
    parser.add_argument("--tuning", action="store_true", help="the seeds that are not reported")
    given = parser.parse_args()
    first = TUNING if given.tuning else REPORTED
    lines = []
    for name, found in CORRUPTIONS.items():
        if not given.kinds or any(part in name for part in given.kinds):
            for magnitude in found.magnitudes:
                lines += [trial(found, magnitude, first + n) for n in range(given.trials)]
            print(f"{name}: done", file=sys.stderr, flush=True)
    if not given.kinds:
        lines += [untouched(first + 500_000 + n) for n in range(given.clean)]
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = report(lines)
    (FOLDER / "table.txt").write_text(text + "\n")
    print(text)


def trial(what: Corruption, magnitude: float, seed: int) -> dict[str, Any]:
    """One corrupted session on a board where it can happen."""
    chance = random.Random(f"{what.name} {magnitude} {seed}")
    kind = chance.choice([kind for kind in KINDS if what.needs(kind)])
    made = clean(
        zlib.crc32(f"{what.name} {magnitude} {seed}".encode()), regime=what.regime, kind=kind
    )
    what.change(made, magnitude, chance)
    found = findings(made)
    hit = sorted(what.expected & set(found))
    return {
        "kind": what.name, "unit": what.unit, "magnitude": magnitude, "seed": seed,
        "board": kind.name, "found": found, "detected": bool(hit), "by": hit,
        "invalid": any(found[name] == Level.INVALID for name in hit if name in found),
    }  # fmt: skip


def untouched(seed: int) -> dict[str, Any]:
    """One clean session; a fifth of them sustained, a fifth paced."""
    regime = ("burst", "burst", "burst", "sustained", "paced")[seed % 5]
    made = clean(seed, regime=regime)
    found = findings(made)
    return {"kind": None, "seed": seed, "board": made.kind.name, "regime": regime, "found": found}


def findings(made: Made) -> dict[str, str]:
    """{finding: gravest level} above a note of the session's record; classes of its processes."""
    record = recorded(made)
    found: dict[str, str] = {}
    for caution in record.cautions:
        if caution.level is not Level.NOTE:
            found.setdefault(caution.kind, caution.level.value)
    if record.invalid:
        assert all(c.verdict.value == "INVALID" for c in record.comparisons)
    classes = [p.steadiness for p in record.processes]
    if 2 * classes.count(Steadiness.WARM_UP) > len(classes):
        found["warm-up"] = Level.CAUTION.value
    return found


def recorded(made: Made) -> Record:
    """The record that the host's own code makes of the events; arms are files with those digests."""
    with tempfile.TemporaryDirectory() as folder:
        arms, models = [], {}
        for name, model in made.models.items():
            path = Path(folder) / f"{name}.tflite"
            path.write_bytes(b"....TFL3" + name.encode())
            arms.append(Arm(name, path))
            models[file_digest(path)] = model
        by_name = {arm.name: made.models[arm.name] for arm in arms}
        kept = assemble._model
        assemble._model = lambda arm: _known(by_name[arm.name])
        try:
            return to_record(_session(made, arms))
        finally:
            assemble._model = kept


def _known(model: Model) -> Model:
    return model


def _session(made: Made, arms: list[Arm]) -> Session:
    return Session(
        recipe="validity", started=datetime(2026, 1, 1, tzinfo=UTC), settings=made.settings,
        arms=arms, order=made.order, events=made.events, outputs=[], sample=None,
    )  # fmt: skip


if __name__ == "__main__":
    main()
