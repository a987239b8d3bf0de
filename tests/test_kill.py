"""kill -9 at any point of the chain costs at most the step under way, and changes no digest."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import psutil

from pipeline.artifacts import Artifact
from pipeline.store import Store
from tests import tiny

KILLS = 20
LONGEST_S = 12.0


def start(recipe: Path, home: Path) -> subprocess.Popen[bytes]:
    words = tiny.command("run", str(recipe), "--until", "small/int8/verify", "--json")
    return subprocess.Popen(
        words,
        env=tiny.environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=recipe.parent,
        start_new_session=True,
    )


def digests(recipe: Path, home: Path) -> dict[str, str]:
    process = start(recipe, home)
    text, _ = process.communicate()
    assert process.returncode == 0
    return {step["id"]: step["digest"] for step in json.loads(text)["steps"]}


def kill(process: subprocess.Popen[bytes], after_s: float) -> bool:
    """True if it was still running then."""
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def left_running(home: Path) -> list[str]:
    """Processes that still work below `home`: a killed run's converters and agents."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("SECATEUR_HOME") == str(home) and process.pid != os.getpid():
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_the_finished_run_has_the_digests_of_an_unbroken_one(tmp_path: Path) -> None:
    recipe = tiny.write(tmp_path)
    whole = digests(recipe, tmp_path / "unbroken")
    seeded, home, hits, lap = random.Random(20), tmp_path / "killed-0", 0, 0
    while hits < KILLS:
        if kill(start(recipe, home), seeded.uniform(0.5, LONGEST_S)):
            hits += 1
        else:
            assert digests(recipe, home) == whole
            lap += 1
            home = tmp_path / f"killed-{lap}"
    assert digests(recipe, home) == whole
    time.sleep(1)
    assert not left_running(home)
    store = Store(home / "cache/store")
    for path in store.root.glob("artifacts/*/*"):
        assert store.get(path.name, Artifact) is not None
    assert not list(store.root.glob("work/*/lock"))
