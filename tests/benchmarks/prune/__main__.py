"""`make benchmark-prune`: half of all channels of every network in the zoo, in two tools.

Every network runs in a process of its own (forked from one that has imported what all need) with a
time limit and leaves one JSON line in `build/benchmark-prune/results.jsonl`; a second start goes on
where the first one stopped.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import signal
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.lines import read
from tests.benchmarks.prune import outside
from tests.benchmarks.prune.child import main as child
from tests.benchmarks.prune.child import warm_up
from tests.benchmarks.prune.packages import PACKAGES
from tests.benchmarks.prune.table import row, totals
from tests.benchmarks.prune.zoo import names
from tests.benchmarks.venv import enter, python

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "build" / "benchmark-prune"
TOOLS = ("secateur", "torch-pruning")


def main() -> None:
    """Run what has no line yet, then print the table."""
    parser = argparse.ArgumentParser(prog="benchmark-prune", description=__doc__)
    parser.add_argument("nets", nargs="*", help="parts of names; all networks if none is given")
    parser.add_argument("--limit", type=int, default=300, help="CPU seconds a network and tool")
    parser.add_argument("--every", type=int, default=1, help="take every n-th network only")
    parser.add_argument("--tool", choices=TOOLS, action="append", help="one tool only")
    given = parser.parse_args()
    beyond = any("outside" in part for part in given.nets)
    known = outside.names() if beyond else names()
    chosen = [n for n in known if not given.nets or any(part in n for part in given.nets)]
    FOLDER.mkdir(parents=True, exist_ok=True)
    results, tools = FOLDER / "results.jsonl", given.tool or TOOLS
    packages = PACKAGES + outside.PACKAGES if beyond else PACKAGES
    venv = FOLDER / ("venv-outside" if beyond else "venv")
    enter(python(venv, packages), "tests.benchmarks.prune")
    warm_up()
    done = {(line["net"], line["tool"]) for line in read(results)}
    for name in chosen[:: given.every]:
        for tool in tools:
            if (name, tool) not in done:
                line = run(name, tool, given.limit)
                with results.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(row(line), file=sys.stderr, flush=True)
    asked = set(chosen[:: given.every])
    lines = [line for line in read(results) if line["net"] in asked and line["tool"] in tools]
    print(totals(lines))


def run(name: str, tool: str, limit_cpu_s: int) -> dict[str, Any]:
    """One network in a child process; the limit is its own CPU time, whatever else runs here."""
    fork, line = multiprocessing.get_context("fork"), {"net": name, "tool": tool}
    reader, writer = fork.Pipe(duplex=False)
    process = fork.Process(target=child, args=(name, tool, writer, limit_cpu_s))
    start = time.monotonic()
    process.start()
    writer.close()
    try:
        return {**reader.recv(), "total_s": round(time.monotonic() - start, 1)}
    except EOFError:
        process.join()
        if process.exitcode == -signal.SIGXCPU:
            return {**line, "status": "timeout", "reason": f"over {limit_cpu_s} CPU seconds"}
        return {**line, "status": "error", "reason": f"the process died ({process.exitcode})"}
    finally:
        process.join()
        reader.close()


if __name__ == "__main__":
    main()
