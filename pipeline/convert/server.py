"""The process that converter jobs are forked from, as its parent sees it."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline.convert.child import CODE, GROUP

CHILD = Path(__file__).with_name("child.py")
# A fixed hash seed keeps set order, and so the bytes, equal between runs; no device but the CPU
# decides what comes out.
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "-1",
    "PYTHONHASHSEED": "0",
    "PYTHONSAFEPATH": "1",
    "TF_CPP_MIN_LOG_LEVEL": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
}
KILLED_S = 5.0

_lock = threading.Lock()
_running: dict[int, subprocess.Popen[bytes]] = {}  # by process: a fork of this one has its own


@dataclass(frozen=True)
class Job:
    """One that the server has been given: `scratch` is where it works and says how it ended.

    `first`: the server was started for it.
    """

    server: subprocess.Popen[bytes]
    scratch: Path
    first: bool

    def code(self) -> int | None:
        """Its exit code as `Popen.returncode` has it; None while it runs.

        Raises:
            Unstarted: the server ended, for want of work or of another's doing, before it began.
        """
        noted, group = _number(self.scratch / CODE), _number(self.scratch / GROUP)
        if noted is None and group is None and (ended := self.server.poll()) is not None:
            if ended == 0 or not self.first:
                raise Unstarted
            return ended  # what the job needs cannot even be imported
        if noted is None and group is not None and not _lives(group):
            noted = _number(self.scratch / CODE)  # it may have come in between
            return -signal.SIGKILL if noted is None else noted
        return noted

    def kill(self) -> None:
        """End the whole group, also what the job left behind."""
        group = _number(self.scratch / GROUP)
        if group is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
        deadline = time.monotonic() + KILLED_S
        while _lives(group) and time.monotonic() < deadline:
            time.sleep(0.01)


class Unstarted(Exception):
    """A job that nobody has begun; give it again."""


def start(module: str, scratch: Path, log: Path) -> Job:
    """Give `module.main` to the server, which is started where none runs. See `child.work`."""
    environment = {**os.environ, **ENVIRONMENT}
    job = {"module": module, "scratch": str(scratch), "log": str(log), "environment": environment}
    line = json.dumps(job).encode() + b"\n"
    with _lock:
        server = _running.get(os.getpid())
        first = server is None or server.poll() is not None
        if first:
            stop()
            server = _running[os.getpid()] = _server(environment, log)
        assert server is not None and server.stdin is not None
        try:
            server.stdin.write(line)
            server.stdin.flush()
        except BrokenPipeError:  # it has just ended: `Job.code` finds out
            server.wait()
    return Job(server, scratch, first)


@atexit.register
def stop() -> None:
    """End the server of this process, if there is one; a job that still runs ends with it."""
    server = _running.pop(os.getpid(), None)
    if server is not None and server.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            server.stdin.close()
        server.kill()  # it has nothing to lose, and may be in the middle of an import
        server.wait()


def _server(environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, "-P", str(CHILD)], stdin=subprocess.PIPE, stdout=stream,
            stderr=subprocess.STDOUT, cwd="/", env=environment, start_new_session=True,
        )  # fmt: skip


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except FileNotFoundError:
        return None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
