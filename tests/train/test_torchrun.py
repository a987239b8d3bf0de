"""Under torchrun several processes train one model; the first one stores it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests import tiny


def test_two_processes_make_one_checkpoint(tmp_path: Path, home: Path) -> None:
    recipe = tiny.write(tmp_path)
    run = tiny.command("run", str(recipe), "--until", "small", "--json")
    torchrun = [sys.executable, "-P", "-m", "torch.distributed.run", "--standalone"]
    words = [*torchrun, "--nproc-per-node", "2", "--no-python", *run]
    done = subprocess.run(words, env=tiny.environment(home), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    steps = {step["id"]: step for step in json.loads(done.stdout)["steps"]}
    assert not any(step["cached"] for step in steps.values())
    assert done.stderr.count("dense (train): made") == 1

    alone = subprocess.run(run, env=tiny.environment(home), capture_output=True, text=True)
    again = {step["id"]: step for step in json.loads(alone.stdout)["steps"]}
    assert all(step["cached"] for step in again.values())
    assert again["small"]["digest"] == steps["small"]["digest"]
