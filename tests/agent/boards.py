"""What the agent's tests share: the interpreters of this machine, runs, and runtimes that fail."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.board.pack import packed

VERSIONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
PROBE = "import sys; print('%d.%d' % sys.version_info[:2])"


def interpreters() -> dict[str, Path]:
    """{version: interpreter} of every Python 3.9 to 3.13 here."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = {}
    for version in VERSIONS:
        candidates = [shutil.which(f"python{version}")]
        candidates += sorted(map(str, root.glob(f"versions/{version}.*/bin/python")))
        for candidate in [c for c in candidates if c]:
            done = subprocess.run([candidate, "-I", "-c", PROBE], capture_output=True, text=True)
            if done.stdout.strip() == version:
                found[version] = Path(candidate)
    return found | {"{}.{}".format(*sys.version_info[:2]): Path(sys.executable)}


def bare(python: Path) -> Path:
    """The interpreter itself: a version manager's shim would be one more process."""
    command = [str(python), "-I", "-c", "import sys; print(sys.executable)"]
    return Path(subprocess.run(command, capture_output=True, text=True).stdout.strip())


class Agent:
    """A running agent, spoken to as a host would, with nothing of the host's code between."""

    def __init__(self, python: Path, *, environment: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [python, "-I", packed().path, "--fd", "1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
        self.hello = self.event()

    def event(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"event": "end"}

    def send(self, spec: object) -> None:
        self.process.stdin.write(json.dumps(spec).encode() + b"\n")
        self.process.stdin.flush()

    def events(self) -> list[dict[str, Any]]:
        """Every event until the end of the line, heartbeats apart."""
        return [e for e in map(json.loads, self.process.stdout) if e["event"] != "heartbeat"]

    def until(self, name: str) -> dict[str, Any]:
        while True:
            event = self.event()
            if event["event"] in (name, "end"):
                return event

    def close(self) -> int:
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        return self.process.wait()


def spec(job: str, *models: object, **settings: Any) -> dict[str, Any]:
    """A spec with short windows."""
    arms = [{"name": f"arm{i}", "model": str(model)} for i, model in enumerate(models)]
    short = {"warmup_ns": 1_000_000, "window_ns": 5_000_000, "process_timeout_s": 60}
    return {"protocol": 1, "job": job, "arms": arms, **short, **settings}


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """Kinds of a job's events, without how the board was watched meanwhile."""
    return [e["event"] for e in events if e["event"] not in ("conditions", "watched")]


def fake_runtime(folder: Path, body: str) -> Path:
    """A site folder whose `tflite_runtime` does `body` when it is imported; numpy is empty."""
    package = folder / "tflite_runtime"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text(body)
    (folder / "numpy").mkdir()
    (folder / "numpy" / "__init__.py").touch()
    return folder


def failing(site: Path, **settings: Any) -> dict[str, Any]:
    """A spec that measures with such a runtime."""
    model = site.parent / "any.tflite"
    model.touch()
    return spec("measure", model, runtime="tflite-runtime", site=[str(site)], **settings)


def running(marker: str) -> list[int]:
    """Processes whose command line holds `marker`, zombies apart."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if marker.encode() in command:
            found.append(int(folder.name))
    return found


def eventually(holds: Callable[[], bool], limit_s: float = 10.0) -> bool:
    """Whether it comes to hold; the limit only bounds a failing test."""
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
