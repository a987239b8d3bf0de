"""One trial: a push and publish that a fault strikes, the retry after it, and what readers saw."""

from __future__ import annotations

import random
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from pipeline.board.release import Release
from pipeline.errors import SecateurError
from tests.benchmarks.deploy.clients import Ours, Rival
from tests.benchmarks.deploy.faults import FAULTS, NEED_A_DISK, Fault, Scene
from tests.benchmarks.deploy.place import Line, Place
from tests.benchmarks.deploy.plan import Trial
from tests.benchmarks.deploy.watch import Watch

LIMIT_S = 15.0
GIVE_UP_S = 16.0
CLIENTS = {"secateur": Ours, "paramiko put": Rival}
Result = dict[str, Any]


def run(place: Place, trial: Trial) -> list[Result]:
    """The lines of both clients."""
    new = place.payload(trial.chance.randbytes(trial.size), f"new {trial.number}")
    return [one(place, trial, name, new) for name in CLIENTS]


def calibrate(place: Place) -> None:
    """How many bytes a session carries that brings next to nothing."""
    new = place.payload(b"x", "calibration")
    for line in (place.plain, place.shifted):
        client = Ours(place, line, "calibration")
        up, down = line.proxy.forwarded, line.proxy.returned
        client.attempt(new, line.known_hosts(), lambda: None)
        time.sleep(0.2)
        line.overhead = {
            "up": line.proxy.forwarded - up, "down": line.proxy.returned - down,
        }  # fmt: skip
        shutil.rmtree(client.root)


def one(place: Place, trial: Trial, name: str, new: Release) -> Result:
    """The line of one client: what the fault made of it, the retry, and what a reader saw."""
    line = {"trial": trial.number, "seed": trial.seed, "kind": trial.kind, "client": name,
            "size": trial.size}  # fmt: skip
    if trial.kind in NEED_A_DISK and not place.own_disk:
        return {**line, "skipped": "only root may mount a small disk"}
    way = place.shifted if trial.kind == "clock jump" else place.plain
    client = CLIENTS[name](place, way, f"t{trial.number}")
    chance = random.Random(f"fault {trial.seed} {trial.number}")
    fault = FAULTS[trial.kind](Scene(place, way, client, new, chance, trial.size))
    watch = Watch(client.kind, client.published, client.allowed(new))
    try:
        line |= _struck(client, way, new, fault) | _retried(client, way, new, fault)
    finally:
        fault.heal()
        line |= watch.stop()
        shutil.rmtree(client.root, ignore_errors=True)
    return line


def _struck(client: Ours | Rival, way: Line, new: Release, fault: Fault) -> Result:
    """The attempt under the fault: what it said, and how long after its last progress."""
    way.proxy.moved_at = way.proxy.broken_at = time.monotonic()
    fault.arm()
    attempt = _Attempt(client, new, fault)
    while not attempt.over.wait(0.05):
        since = time.monotonic() - _last_progress(way, fault)
        if since > GIVE_UP_S:
            way.proxy.drop()  # it would hang on: end it from outside
            attempt.over.wait(60)
            return {"offset": fault.offset, "error": f"silent for {LIMIT_S:g} s", "kind_of": "hang",
                    "seconds": None, "sent": client.sent, "whole": client.whole(new)}  # fmt: skip
    problem = attempt.problem
    seconds = max(0.0, attempt.ended_at - _last_progress(way, fault, attempt.ended_at))
    return {
        "offset": fault.offset,
        "error": _words(problem),
        "kind_of": type(problem).__name__ if problem else None,
        "code": problem.exit_code if isinstance(problem, SecateurError) else None,
        "seconds": None if problem is None else round(seconds, 2),
        "sent": client.sent,
        "whole": client.whole(new),
    }


def _words(problem: Exception | None) -> str | None:
    """One line of an error; its kind where it says nothing."""
    return problem and (" ".join(str(problem).split())[:400] or type(problem).__name__)


def _last_progress(way: Line, fault: Fault, until: float = float("inf")) -> float:
    """When bytes moved, or the fault struck, for the last time."""
    times = (way.proxy.moved_at, way.proxy.broken_at, fault.struck_at)
    return max(moment for moment in times if moment <= until)


def _retried(client: Ours | Rival, way: Line, new: Release, fault: Fault) -> Result:
    """The same command again, the fault gone: whether it converges, and what it sends again."""
    fault.heal()
    before = client.sent
    attempt = _Attempt(client, new, fault)
    if not attempt.over.wait(120):
        way.proxy.drop()
        attempt.over.wait(60)
    once = new.size_bytes if client.kind == "slot" else new.files["model.bin"].stat().st_size
    return {
        "retry_error": _words(attempt.problem),
        "converged": attempt.problem is None and client.whole(new),
        "resent": max(0, client.sent - once),
        "retry_sent": client.sent - before,
    }  # fmt: skip


class _Attempt:
    """One attempt in a thread, so that one that hangs can be told."""

    def __init__(self, client: Ours | Rival, new: Release, fault: Fault) -> None:
        self.over = threading.Event()
        self.problem: Exception | None = None
        self.ended_at = 0.0
        self._words = client, new, fault
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        client, new, fault = self._words
        hosts: Path = fault.known_hosts()
        struck = not fault.over.is_set()
        try:
            client.attempt(new, hosts, fault.before_publish if struck else lambda: None)
        except Exception as problem:
            self.problem = problem
        self.ended_at = time.monotonic()
        self.over.set()
