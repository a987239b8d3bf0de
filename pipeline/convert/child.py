"""Converter jobs, each in a process forked from one that has imported what they need.

An import of TensorFlow takes four seconds of CPU, more than most jobs themselves. `server` starts
this by its path: it is a script, not a module of the package, so that it works wherever the
package stands and never looks at the folder the user happens to be in.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1  # prctl(2)
IDLE_S = 20.0
GROUP, CODE, RESULT = "group", "code", "result.json"


def serve() -> dict[str, Any] | None:
    """Fork a process for each job on stdin, until that closes or nothing is to be done for a while.

    Returns in the new process with its job, at the end here with None.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who ended leaves no zombie
    _cut_network()
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    for job in _jobs():
        _print_to(job["log"])
        with contextlib.suppress(BaseException):  # the job itself will say what is wrong
            importlib.import_module(job["module"])
        sys.stdout.flush()
        if os.fork() == 0:
            _lead(Path(job["scratch"]))
            return job
    return None


def work(module: str, scratch: str, environment: dict[str, str], **_job: Any) -> None:
    """Run `module.main(spec)` with the spec in `scratch` and leave its result there, whole."""
    os.environ.clear()
    os.environ.update(environment)
    folder = Path(scratch)
    os.chdir(folder / "cwd")
    from pipeline.errors import SecateurError

    spec = json.loads((folder / "spec.json").read_text())
    try:
        result = importlib.import_module(module).main(spec)
    except SecateurError as error:
        result = {"refused": {"what": error.what, "fix": error.fix}}
    _note(folder / RESULT, json.dumps(result))


def _jobs() -> Iterator[dict[str, Any]]:
    stdin = open(0, "rb", buffering=0)  # noqa: SIM115 (unbuffered: select sees every line)
    while True:
        if select.select([stdin], [], [], IDLE_S)[0]:
            line = stdin.readline()
            if not line:
                return
            yield json.loads(line)
        elif not _busy():
            return


def _busy() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def _lead(scratch: Path) -> None:
    """Lead a group with the job in it, and note how that ends; returns in the job's process."""
    os.setsid()
    _die_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _note(scratch / GROUP, str(os.getpid()))
    pid = os.fork()
    if pid == 0:
        _die_with_parent()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        return
    _, status = os.waitpid(pid, 0)
    _note(scratch / CODE, str(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _note(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text)
    draft.replace(path)


def _print_to(log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)


def _die_with_parent() -> None:
    """A converter whose parent was killed would go on for minutes (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _cut_network() -> None:
    """Converters fetch samples behind the user's back; here nothing is fetched."""

    def refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise OSError("a converter has no network")

    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, refuse)
    for name in ("create_connection", "getaddrinfo"):
        setattr(socket, name, refuse)


if __name__ == "__main__" and (given := serve()) is not None:
    work(**given)
