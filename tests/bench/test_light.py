"""What a command imports before it does anything stays light."""

from __future__ import annotations

import subprocess
import sys

LIGHT = ("records", "results", "compare", "across", "export", "settings", "plan", "numbers", "arms")
HEAVY = {"numpy", "scipy", "matplotlib", "rich", "torch", "tensorflow", "paramiko"}


def test_reading_records_imports_nothing_heavy() -> None:
    names = ", ".join(f"pipeline.bench.{name}" for name in LIGHT)
    code = f"import {names}, sys; print(*{{m.partition('.')[0] for m in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())
