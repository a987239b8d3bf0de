"""`make benchmark-prune`: half of all channels of every network in the zoo, in two tools.

Every network runs in a process of its own with a time limit and leaves one JSON line in
`build/benchmark-prune/results.jsonl`; a second start goes on where the first one stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.prune.table import row, totals
from tests.benchmarks.prune.venv import python
from tests.benchmarks.prune.zoo import names

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "build" / "benchmark-prune"
TOOLS = ("secateur", "torch-pruning")


def main() -> None:
    """Run what has no line yet, then print the table."""
    parser = argparse.ArgumentParser(prog="benchmark-prune", description=__doc__)
    parser.add_argument("nets", nargs="*", help="parts of names; all networks if none is given")
    parser.add_argument("--timeout", type=int, default=600, help="seconds a network and tool")
    parser.add_argument("--every", type=int, default=1, help="take every n-th network only")
    parser.add_argument("--tool", choices=TOOLS, action="append", help="one tool only")
    given = parser.parse_args()
    chosen = [n for n in names() if not given.nets or any(part in n for part in given.nets)]
    FOLDER.mkdir(parents=True, exist_ok=True)
    results, tools = FOLDER / "results.jsonl", given.tool or TOOLS
    interpreter = python(FOLDER / "venv")
    done = {(line["net"], line["tool"]) for line in read(results)}
    for name in chosen[:: given.every]:
        for tool in tools:
            if (name, tool) not in done:
                line = run(interpreter, name, tool, given.timeout)
                with results.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(row(line), file=sys.stderr, flush=True)
    asked = set(chosen[:: given.every])
    lines = [line for line in read(results) if line["net"] in asked and line["tool"] in tools]
    print(totals(lines))


def read(results: Path) -> list[dict[str, Any]]:
    """The lines so far; one that a kill cut short is left out."""
    lines = []
    for text in results.read_text().splitlines() if results.exists() else []:
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines


def run(interpreter: Path, name: str, tool: str, timeout_s: int) -> dict[str, Any]:
    """One network in a child process."""
    command = [str(interpreter), "-P", "-m", "tests.benchmarks.prune.child", name, tool]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    line = {"net": name, "tool": tool}
    start = time.monotonic()
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return {**line, "status": "timeout", "reason": f"over {timeout_s} s", "total_s": timeout_s}
    spent = round(time.monotonic() - start, 1)
    for text in reversed(ended.stdout.splitlines()):
        if text.startswith("{"):
            return {**json.loads(text), "total_s": spent}
    tail = " ".join(ended.stderr.split())[-300:]
    return {**line, "status": "error", "reason": f"exit {ended.returncode}: {tail}"}


if __name__ == "__main__":
    main()
