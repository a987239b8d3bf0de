"""`make benchmark-overhead`: the agent against a bare loop and against `litert-benchmark`.

In instructions on the virtual board, where a latency repeats to some hundredths of a per cent: the
same file, runtime, Python and board. The agent runs as in any session, its watch beside it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.board import ssh
from pipeline.board.remote import RemoteBoard
from pipeline.board.session import PROTOCOL, SILENCE_S
from pipeline.board.shell import Shell
from pipeline.board.upload import upload
from pipeline.board.virtual import down, up

FOLDER = Path(__file__).resolve().parents[3] / "build" / "benchmark-overhead"
NAME, ROOT = "overhead", "/home/board/secateur"
PROCESSES, COUNT, LIMIT_S = 3, 25, 1200.0
PATIENCE = 20.0
"""An emulated board on a busy machine is silent for long."""
RUNTIME = "ai-edge-litert"
TOOL = """
import sys
sys.path[:0] = sys.argv[1:3]
model, count, result = sys.argv[3:]
sys.argv = ["litert-benchmark", "--model", model, "--num_runs", count, "--result_json", result]
from ai_edge_litert.tools.benchmark_litert_model import main
main()
"""
Figures = dict[str, list[float]]


def main() -> None:
    """Measure both files in all three ways, in turns; print the table."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    models = made()
    vm = up(NAME)
    try:
        line = ssh.connect(
            vm.host, user=vm.user, port=vm.port, identity=vm.identity,
            known_hosts=vm.known_hosts, config="none",
        )  # fmt: skip
        board = RemoteBoard(line, ROOT, name=NAME, silence_s=SILENCE_S * PATIENCE)
        try:
            shell = Shell(line, NAME, patience=PATIENCE)
            lines = [measured(board, shell, path) for path in models]
        finally:
            board.close()
    finally:
        down(NAME)
    (FOLDER / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    print(table(lines))


def made() -> list[Path]:
    """The model files, made once."""
    paths = [FOLDER / "int8.tflite", FOLDER / "fp32.tflite"]
    if not all(path.exists() for path in paths):
        script = Path(__file__).with_name("model.py")
        command = [sys.executable, "-P", "-W", "ignore", str(script), str(FOLDER)]
        subprocess.run(command, check=True, capture_output=True)
    return paths


def measured(board: RemoteBoard, shell: Shell, path: Path) -> dict[str, Any]:
    """Instructions an inference by each of the three, a process at a time, in turns."""
    model = board.send(path)
    found: Figures = {"bare": [], "agent": [], "litert-benchmark": []}
    agent(board, model)  # provisions; the page cache is warm for all that follow
    choice, site = board._runtime(RUNTIME)
    python = str(choice.python.path)
    dtypes = beside(shell, PurePosixPath(ROOT) / ".work")
    for _ in range(PROCESSES):
        found["bare"].append(bare(shell, python, str(site), model))
        found["agent"].append(agent(board, model))
        found["litert-benchmark"].append(tool(shell, python, str(site), str(dtypes), model))
        print(path.stem, {name: values[-1] for name, values in found.items()}, file=sys.stderr)
    return {"model": path.stem, "processes": PROCESSES, "inferences": COUNT, **found}


def agent(board: RemoteBoard, model: str) -> float:
    """Median of one process of ours."""
    spec = {
        "protocol": PROTOCOL, "job": "measure", "runtime": RUNTIME, "warmup_ns": 50_000_000,
        "window_ns": 10**12, "max_iterations": COUNT, "arms": [{"name": "a", "model": model}],
    }  # fmt: skip
    events = board.run(spec, timeout_s=LIMIT_S)
    process = next(event for event in events if event["event"] == "process")
    return float(statistics.median(process["samples_ns"]))


def bare(shell: Shell, python: str, site: str, model: str) -> float:
    """Mean of one process of the bare loop."""
    source = Path(__file__).with_name("bare.py").read_text()
    return float(_run(shell, [python, "-I", "-c", source, site, model, str(COUNT)]))


def tool(shell: Shell, python: str, site: str, dtypes: str, model: str) -> float:
    """Median of one process of the runtime's own tool, which calls the compiled-model API."""
    result = f"{ROOT}/.work/sessions/now/tool.json"
    words = [python, "-I", "-c", TOOL, site, dtypes, model, str(COUNT), result]
    _run(shell, words)
    told = json.loads(_run(shell, ["cat", result]))
    return median_ms(told) * 1e6


def median_ms(told: dict[str, Any]) -> float:
    """The tool's own median, wherever in its document it stands."""
    for key, value in told.items():
        if isinstance(value, dict):
            found = median_ms(value)
            if found:
                return found
        elif "median" in key or "p50" in key:
            return float(value)
    return 0.0


def _run(shell: Shell, words: list[str]) -> str:
    return shell.run('"$@"', *words)


def beside(shell: Shell, work: PurePosixPath) -> PurePosixPath:
    """ml_dtypes, which the tool imports and the runtime does not need, unpacked on the board."""
    wheels = FOLDER / "wheels"
    if not list(wheels.glob("ml_dtypes*.whl")):
        platform = ["--platform", "manylinux_2_28_aarch64", "--platform", "manylinux2014_aarch64"]
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
             "--python-version", "3.11", *platform, "-d", str(wheels), "ml_dtypes"],
            check=True,
        )  # fmt: skip
    (wheel,) = wheels.glob("ml_dtypes*.whl")
    there = work / "files" / wheel.name
    upload(shell, wheel, there)
    unpack = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])"
    folder = work / "files" / "ml_dtypes"
    _run(shell, ["python3", "-I", "-c", unpack, str(there), str(folder)])
    return folder


def table(lines: list[dict[str, Any]]) -> str:
    """Medians over processes, and what each is over the bare loop."""
    head = f"{'model':6} {'way':18} {'instructions':>14} {'spread':>8} {'over bare':>10}"
    rows = [head, "-" * len(head)]
    for line in lines:
        base = statistics.median(line["bare"])
        for name in ("bare", "agent", "litert-benchmark"):
            value = statistics.median(line[name])
            spread = (max(line[name]) - min(line[name])) / value
            cells = f"{value:14,.0f} {spread:8.3%} {value / base - 1:+10.3%}"
            rows.append(f"{line['model']:6} {name:18} {cells}")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
