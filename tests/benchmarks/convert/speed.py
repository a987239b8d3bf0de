"""`make benchmark-convert NETS="speed mobilenet"`: whose full-int8 file is faster, in one session.

Each tool's file of one network, and the fp32 file, stand against ours: on this machine by paired
processes, on the virtual board by instructions, which no other work on the machine changes.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from pipeline.bench.arms import Arm
from pipeline.bench.measure import measure
from pipeline.config.target import load
from pipeline.onboard import opened
from tests.benchmarks.convert.jobs import TOOLS, run
from tests.benchmarks.convert.zoo import names
from tests.benchmarks.lines import read

OURS, RIVALS = "secateur int8", ("onnx2tf", "litert")
PROCESSES = {"virtual-arm64": 4, "local": 10}
UNITS = {"virtual-arm64": "M instructions", "local": "ms"}
SHOWN = ("fp32", *RIVALS)


def main(
    folder: Path, interpreter: Path, parts: list[str], targets: list[str], timeout_s: int
) -> None:
    """Convert and measure what has no line yet; print the table."""
    chosen = [name for name in names() if not parts or any(part in name for part in parts)]
    folder.mkdir(parents=True, exist_ok=True)
    results = folder / "speed.jsonl"
    for name in chosen:
        done = {(line["net"], line["target"]) for line in read(results)}
        missing = [target for target in targets if (name, target) not in done]
        place = folder / name.replace(":", "-")
        arms = _made(interpreter, name, place, timeout_s) if missing else []
        for target in missing if arms else []:
            line = {"net": name, "target": target, **session(arms, target, folder)}
            with results.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(row(line), file=sys.stderr, flush=True)
        shutil.rmtree(place, ignore_errors=True)
    print(table([line for line in read(results) if line["net"] in chosen]))


def _made(interpreter: Path, name: str, place: Path, timeout_s: int) -> list[Arm]:
    """Our int8 file, the baseline, then fp32, and the rivals' that run; none without ours."""
    lines = {
        tool: run(interpreter, name, "dense", tool, place, timeout_s)
        for tool in ("prepare", OURS, *RIVALS)
    }
    if lines[OURS]["status"] != "converted":
        print(f"{name}: {lines[OURS]['reason']}", file=sys.stderr)
        return []
    runs = [tool for tool in RIVALS if isinstance(lines[tool].get("ai-edge-litert"), float)]
    ours = place / TOOLS[OURS]
    arms = [Arm(OURS, ours), Arm("fp32", ours.parent / "float.tflite")]
    return arms + [Arm(tool, place / TOOLS[tool]) for tool in runs]


def session(arms: list[Arm], target: str, folder: Path) -> dict[str, Any]:
    """The arms in one session, against the first of them."""
    flags = {"processes": PROCESSES[target], "energy_blocks": 0}
    with opened(load(target, flags=flags)) as (board, settings):
        stored = measure(arms, settings, board, recipe="speed", results=folder / "results")
    record, found = stored.record, {"record": stored.folder.name}
    for arm in arms:
        figure, against = record.row("latency_p50", arm.name), record.comparison(arm.name)
        found[arm.name] = {
            "p50": figure and figure.value,
            "ratio": against and against.ratio,
            "interval": against and against.interval,
            "verdict": against and against.verdict,
        }
    return found


def table(lines: list[dict[str, Any]]) -> str:
    """Markdown: our figure, and each other file's as a multiple of it."""
    head = (
        "| network | where | ours, int8 | " + " | ".join(f"{name} / ours" for name in SHOWN) + " |"
    )
    return "\n".join([head, "|---" * (3 + len(SHOWN)) + "|", *map(row, lines)])


def row(line: dict[str, Any]) -> str:
    """One network on one target."""
    p50, unit = line[OURS]["p50"], UNITS[line["target"]]
    cells = [line["net"], line["target"], f"{p50 / 1e6:.4g} {unit}"]
    return f"| {' | '.join([*cells, *(_ratio(line.get(name)) for name in SHOWN)])} |"


def _ratio(found: dict[str, Any] | None) -> str:
    if found is None or found["ratio"] is None:
        return "fails"
    if found["interval"] is None:
        return f"x{found['ratio']:.3g}"
    low, high = found["interval"]
    return f"x{found['ratio']:.3g} [{low:.3g}, {high:.3g}]"
