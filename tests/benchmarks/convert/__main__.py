"""`make benchmark-convert`: every network of the zoo, dense and pruned, through four conversions.

Every network and tool runs in a process of its own with a time limit and leaves one JSON line in
`build/benchmark-convert/results.jsonl`; a second start goes on where the first one stopped.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.convert import real, speed
from tests.benchmarks.convert.jobs import TOOLS, run
from tests.benchmarks.convert.packages import PACKAGES
from tests.benchmarks.convert.table import row, totals
from tests.benchmarks.convert.zoo import names
from tests.benchmarks.lines import read
from tests.benchmarks.venv import python

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "build" / "benchmark-convert"
VARIANTS = ("dense", "pruned")


def main() -> None:
    """Run what has no line yet, then print the table."""
    parser = argparse.ArgumentParser(prog="benchmark-convert", description=__doc__)
    parser.add_argument("nets", nargs="*", help="parts of names; or `real`; or `speed`")
    parser.add_argument("--timeout", type=int, default=900, help="seconds a network and tool")
    parser.add_argument("--every", type=int, default=1, help="take every n-th network only")
    parser.add_argument("--tool", choices=TOOLS, action="append", help="one tool only")
    parser.add_argument("--variant", choices=VARIANTS, action="append", help="dense or pruned only")
    parser.add_argument("--target", choices=speed.PROCESSES, action="append", help="for speed")
    given = parser.parse_args()
    chosen = [n for n in names() if not given.nets or any(part in n for part in given.nets)]
    FOLDER.mkdir(parents=True, exist_ok=True)
    results, interpreter = FOLDER / "results.jsonl", python(FOLDER / "venv", PACKAGES)
    if given.nets == ["real"]:
        real.main(FOLDER / "real", interpreter)
        return
    if given.nets[:1] == ["speed"]:
        targets = given.target or list(speed.PROCESSES)
        speed.main(FOLDER / "speed", interpreter, given.nets[1:], targets, given.timeout)
        return
    jobs = [(n, v) for n in chosen[:: given.every] for v in given.variant or VARIANTS]
    for name, variant in jobs:
        _one(interpreter, name, variant, given.tool or TOOLS, results, given.timeout)
    print(totals([line for line in read(results) if (line["net"], line["variant"]) in jobs]))


def _one(
    interpreter: Path, name: str, variant: str, tools: Any, results: Path, timeout_s: int
) -> None:
    """All tools on one network, whose files are gone afterwards."""
    done = {(line["net"], line["variant"], line["tool"]) for line in read(results)}
    missing = [tool for tool in tools if (name, variant, tool) not in done]
    folder = FOLDER / "work" / f"{name.replace(':', '-')}-{variant}"
    for tool in ["prepare", *missing] if missing else []:
        line = run(interpreter, name, variant, tool, folder, timeout_s)
        if tool != "prepare" or line["status"] != "prepared":
            with results.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(row(line), file=sys.stderr, flush=True)
        if tool == "prepare" and line["status"] != "prepared":
            break
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
