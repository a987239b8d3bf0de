"""`make benchmark-convert`: every network of the zoo, dense and pruned, through four conversions.

Every network and tool runs in a process of its own with a time limit and leaves one JSON line in
`build/benchmark-convert/results.jsonl`; a second start goes on where the first one stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.convert import real
from tests.benchmarks.convert.packages import PACKAGES
from tests.benchmarks.convert.table import row, totals
from tests.benchmarks.convert.zoo import names
from tests.benchmarks.lines import read
from tests.benchmarks.venv import python

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "build" / "benchmark-convert"
TOOLS = ("secateur int8", "secateur auto", "onnx2tf", "litert")
VARIANTS = ("dense", "pruned")


def main() -> None:
    """Run what has no line yet, then print the table."""
    parser = argparse.ArgumentParser(prog="benchmark-convert", description=__doc__)
    parser.add_argument("nets", nargs="*", help="parts of names, or `real`; all if none")
    parser.add_argument("--timeout", type=int, default=900, help="seconds a network and tool")
    parser.add_argument("--every", type=int, default=1, help="take every n-th network only")
    parser.add_argument("--tool", choices=TOOLS, action="append", help="one tool only")
    parser.add_argument("--variant", choices=VARIANTS, action="append", help="dense or pruned only")
    given = parser.parse_args()
    chosen = [n for n in names() if not given.nets or any(part in n for part in given.nets)]
    FOLDER.mkdir(parents=True, exist_ok=True)
    results, interpreter = FOLDER / "results.jsonl", python(FOLDER / "venv", PACKAGES)
    if given.nets == ["real"]:
        real.main(FOLDER / "real", interpreter)
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


def run(
    interpreter: Path, name: str, variant: str, tool: str, folder: Path, timeout_s: int
) -> dict[str, Any]:
    """One network and tool in a child process."""
    module = "tests.benchmarks.convert.child"
    command = [str(interpreter), "-P", "-m", module, name, variant, tool, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment |= {"TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PATH"] = f"{interpreter.parent}:{environment['PATH']}"
    line = {"net": name, "variant": variant, "tool": tool}
    start = time.monotonic()
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return {**line, "status": "timeout", "reason": f"over {timeout_s} s"}
    spent = round(time.monotonic() - start, 1)
    for text in reversed(ended.stdout.splitlines()):
        if text.startswith("{"):
            return {**json.loads(text), "total_s": spent}
    tail = " ".join(ended.stderr.split())[-300:]
    return {**line, "status": "failed", "reason": f"exit {ended.returncode}: {tail}"}


if __name__ == "__main__":
    main()
