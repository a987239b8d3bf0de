"""The README's first promise, as it is: real data, the whole chain, a measured comparison."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests import tiny


@pytest.mark.slow  # five CPU-minutes: it trains for real
def test_the_demo_keeps_its_figures_and_the_second_run_is_cached(tmp_path: Path) -> None:
    words = tiny.command("run", "demo", "--target", "local", "--json")
    first, second = (
        subprocess.run(
            words, cwd=tmp_path, env=tiny.environment(tmp_path), capture_output=True, text=True
        )
        for _ in range(2)
    )
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    rows = {(r["arm"], r["name"]): r["value"] for r in json.loads(first.stdout)["record"]["rows"]}
    assert rows["dense fp32", "accuracy"] >= 0.905
    assert rows["pruned int8", "accuracy"] >= 0.895
    assert rows["pruned int8", "file_size"] * 10 <= rows["dense fp32", "file_size"]
    compared = json.loads(first.stdout)["record"]["comparisons"]
    assert {c["arm"]: c["verdict"] for c in compared}["pruned int8"] == "FASTER"
    assert all(step["cached"] for step in json.loads(second.stdout)["steps"])
