"""Several boards at once: each in a thread of its own, none of them ever waits for another."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path

from pipeline.bench.results import Stored
from pipeline.board.pack import packed
from pipeline.config.target import Target
from pipeline.errors import BoardUnreachable, SecateurError
from pipeline.onboard import measure_arms
from pipeline.progress import log_text, watched
from pipeline.run import Arm, Runner

STALL_S = 18.0
"""A board that gives no sign of life for so long is given up: 20 s with what comes on top."""
LOOK_S = 0.2
GRACE_S = 8.0

Job = Callable[[], Stored]


class GivenUp(BaseException):
    """Ends the work of a board's thread; no `except Exception` may keep it."""


@dataclass(frozen=True)
class Outcome:
    """What came of one board: a record, or an error."""

    board: str
    seconds: float
    stored: Stored | None = None
    error: BaseException | None = None

    @property
    def exit_code(self) -> int:
        """0, the error's code, or 1 for a bug."""
        if self.error is None:
            return 0
        return self.error.exit_code if isinstance(self.error, SecateurError) else 1


class Member:
    """One board: where its thread is, and since when nothing has come from it."""

    def __init__(self, board: str) -> None:
        self.board = board
        self.label, self.done, self.total = "connecting", 0, None
        self.outcome: Outcome | None = None
        self._begun = self._heard = time.monotonic()
        self._given_up = threading.Event()
        self._here = False

    label: str
    done: int
    total: int | None

    def step(self, label: str, done: int = 0, total: int | None = None) -> None:
        """The thread went on. Raises GivenUp where nobody waits for it any more."""
        if self._given_up.is_set():
            raise GivenUp
        self.label, self.done, self.total = label, done, total
        self.alive()

    def alive(self) -> None:
        """Something came from the board."""
        self._heard = time.monotonic()

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """Work of this machine, such as fetching wheels: the board has nothing to say to it."""
        self._here = True
        try:
            yield
        finally:
            self.alive()
            self._here = False

    @property
    def silent_s(self) -> float:
        """Since when nothing has come, though something could have."""
        return 0.0 if self._here else time.monotonic() - self._heard

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return self.outcome.seconds if self.outcome else time.monotonic() - self._begun

    def give_up(self) -> None:
        """Let its thread end at its next step, if there is one."""
        self._given_up.set()

    def finish(self, stored: Stored | None, error: BaseException | None = None) -> Outcome:
        """Settle what came of it."""
        self.outcome = Outcome(self.board, self.seconds, stored, error)
        return self.outcome


Show = Callable[[Sequence[Member]], None]


def measure_fleet(
    runner: Runner, arms: Sequence[Arm], targets: Mapping[str, Target], results: Path, show: Show
) -> list[Outcome]:
    """Measure a recipe's arms on several boards, {board's name: target}; see `together`."""
    packed()
    runner.data.count("test")  # read once, here: the threads only look at it

    def job(target: Target) -> Job:
        return lambda: measure_arms(runner, arms, target, results)

    return together({name: job(target) for name, target in targets.items()}, show)


def together(jobs: Mapping[str, Job], show: Show, *, stall_s: float = STALL_S) -> list[Outcome]:
    """Run every job in a thread and return what came of each, in the order they were given.

    `show` is called a few times a second. A board without a sign of life for `stall_s` is given
    up, and its thread left behind: it ends with its next step, or with this process.

    Raises:
        KeyboardInterrupt: once the threads have ended, or a few seconds later.
    """
    members = [Member(board) for board in jobs]
    running = {_start(member, jobs[member.board]): member for member in members}
    try:
        while running:
            finished, _ = wait(running, LOOK_S, FIRST_COMPLETED)
            for future in finished:
                _settle(running.pop(future), future)
            for future, member in list(running.items()):
                if member.silent_s > stall_s:
                    member.give_up()
                    member.finish(None, _silent(member))
                    del running[future]
            show(members)
    except BaseException:
        for member in members:
            member.give_up()
        wait(running, GRACE_S)
        raise
    return [member.outcome for member in members if member.outcome]


def _start(member: Member, job: Job) -> Future[Stored]:
    """A thread that a blocked board cannot keep this process alive with, as a pool's would."""
    future: Future[Stored] = Future()

    def work() -> None:
        try:
            with watched(member):
                future.set_result(job())
        except BaseException as problem:
            future.set_exception(problem)

    threading.Thread(target=work, name=f"fleet {member.board}", daemon=True).start()
    return future


def _settle(member: Member, future: Future[Stored]) -> None:
    problem = future.exception()
    outcome = member.finish(None if problem else future.result(), problem)
    log_text(f"{member.board}: {outcome.error or 'done'}")


def _silent(member: Member) -> BoardUnreachable:
    return BoardUnreachable(
        f"no sign of life for {member.silent_s:.0f} s ({member.label})",
        where=member.board,
        fix="see the board's power and network; `secateur doctor` says more",
    )
