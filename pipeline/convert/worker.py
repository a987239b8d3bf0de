"""Run a converter in a process of its own: it may exit, abort, hang or seed generators there."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.convert import server
from pipeline.convert.child import RESULT
from pipeline.errors import Refused
from pipeline.progress import track

LOG_LINES, LINE_CHARACTERS = 2, 200
POLL_S = 0.05


def call(module: str, spec: Mapping[str, Any], *, log: Path, timeout_s: float) -> dict[str, Any]:
    """Call `module.main(spec)` in a child process and return its result (both plain JSON).

    The child leads a process group, works in an empty scratch folder beside `log` that is gone
    afterwards, has no network, and writes all it prints to `log`. Whatever ends this call early
    (timeout, Ctrl-C) kills the group; a parent that is killed takes the child with it.

    Raises:
        Refused: the child refused, failed, was killed by a signal or took longer than `timeout_s`.
    """
    name = module.rpartition(".")[2]
    scratch = log.with_name(f"{log.name}.work")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    (scratch / "cwd").mkdir()
    (scratch / "spec.json").write_text(json.dumps(spec))
    try:
        code = _run(module, scratch, log, name, timeout_s)
        return _result(scratch / RESULT, code, log, name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run(module: str, scratch: Path, log: Path, name: str, timeout_s: float) -> int:
    """Have the job done and leave nothing of its group behind; its exit code."""
    log.write_bytes(b"")
    while True:
        job = server.start(module, scratch, log)
        try:
            return _ended(job, log, name, timeout_s)
        except server.Unstarted:
            continue
        finally:
            job.kill()


def _ended(job: server.Job, log: Path, name: str, timeout_s: float) -> int:
    """Wait for it with a sign of life."""
    codes = track(_codes(job, log, name, timeout_s), name)
    return next(code for code in codes if code is not None)


def _codes(job: server.Job, log: Path, name: str, timeout_s: float) -> Iterator[int | None]:
    deadline = time.monotonic() + timeout_s
    while True:
        yield job.code()
        if time.monotonic() > deadline:
            raise Refused(
                f"took longer than {timeout_s:g} s",
                where=name,
                fix=f"raise timeout_s of this step; its log: {log}",
            )
        time.sleep(POLL_S)


def _result(path: Path, code: int, log: Path, name: str) -> dict[str, Any]:
    """The child's result; its refusal, or how it died, as an error."""
    if not path.is_file():
        raise Refused(f"{_ending(code)}: {_tail(log)}", where=name, fix=f"read its log: {log}")
    result: dict[str, Any] = json.loads(path.read_text())
    if "refused" in result:
        raise Refused(result["refused"]["what"], where=name, fix=result["refused"]["fix"])
    return result


def _ending(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exited with code {code} and no result"


def _tail(log: Path) -> str:
    """The last lines of a log that speak of an error, else its last ones; without colours."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
    lines = [line.strip()[:LINE_CHARACTERS] for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error|exception", line, re.IGNORECASE)]
    return " | ".join((telling or lines)[-LOG_LINES:]) or "it printed nothing"
