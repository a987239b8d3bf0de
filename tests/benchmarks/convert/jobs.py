"""One network and tool in a process of its own, and the file that the tool leaves."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
TOOLS = {
    "secateur int8": "secateur-int8/model.tflite",
    "secateur auto": "secateur-auto/model.tflite",
    "onnx2tf": "onnx2tf/rival_full_integer_quant.tflite",
    "litert": "litert-int8.tflite",
}
"""Each tool's int8 file, in the folder of a network."""


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
