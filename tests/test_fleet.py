"""Several boards at once: the dead and the refusing hold up nobody, and each is named in time."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import pytest

from pipeline.bench.files import bench_files
from pipeline.bench.results import Stored, read_all
from pipeline.bench.settings import SessionSettings
from pipeline.board.board import closing
from pipeline.board.local import Local
from pipeline.board.remote import RemoteBoard
from pipeline.board.transport import Completed, Stream
from pipeline.cli.fleet_view import live, print_summary
from pipeline.errors import BoardUnreachable, Refused
from pipeline.fleet import GivenUp, Job, Member, Outcome, together
from pipeline.progress import say, track, watcher, working
from tests.bench.models import write_dense
from tests.bench.sessions import record


def unseen(members: Sequence[Member]) -> None:
    """Nobody looks."""


class BlackHole(Local):
    """A transport that works until a file is sent; then nothing ever comes back."""

    def put(self, data: bytes, path: PurePosixPath, *, offset: int) -> None:
        threading.Event().wait()


class Refuses(Local):
    """A transport to a board whose shell says no to everything."""

    def exec(self, command: Sequence[str], *, timeout_s: float) -> Completed:
        return Completed(1, b"", b"mkdir: cannot create directory: Read-only file system")

    def stream(self, command: Sequence[str]) -> Stream:
        raise AssertionError("never gets this far")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_dense(tmp_path / "small.tflite", width=16)


def job(transport: Local, model: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    settings = SessionSettings("there", processes=2, warmup_ms=5, window_ms=20)

    def measured() -> Stored:
        with closing(RemoteBoard(transport, str(root), name=root.name)) as board:
            return bench_files([model], settings, board, results=root.parent / "results")

    return measured


def own_lease(transport: Local, path: Path) -> Local:
    """The same transport to a board whose lease is its own: they are all one machine."""
    stream = transport.stream
    words = ["env", f"SECATEUR_LEASE={path}"]
    transport.stream = lambda command: stream([*words, *command])  # type: ignore[method-assign]
    return transport


def test_two_are_measured_beside_one_black_hole_and_one_that_refuses(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transports = {"one": Local(), "hole": BlackHole(), "two": Local(), "closed": Refuses()}
    jobs = {
        name: job(own_lease(transport, tmp_path / f"{name}.lease"), model, tmp_path / name,
                  monkeypatch)
        for name, transport in transports.items()
    }  # fmt: skip
    found = {o.board: o for o in together(jobs, unseen, stall_s=10)}
    assert list(found) == list(transports)
    assert [o.exit_code for o in found.values()] == [0, 3, 0, 4]
    assert "no sign of life for 10 s" in str(found["hole"].error)
    assert "sending small.tflite" in str(found["hole"].error)
    assert "Read-only file system" in str(found["closed"].error)
    stored = [found["one"].stored, found["two"].stored]
    assert {s.record.id for s in stored if s} == {
        s.record.id for s in read_all(tmp_path / "results")
    }
    assert len({s.record.id for s in stored if s}) == 2


def test_a_slow_board_that_works_is_waited_for() -> None:
    def slow() -> Stored:
        for _ in track(range(25), "measuring"):
            time.sleep(0.1)
        with working("fetching wheels"):  # this machine's work: the board cannot be heard
            time.sleep(2.5)
        return Stored(Path("x"), record())

    (outcome,) = together({"slow": slow}, unseen, stall_s=2)
    assert outcome.stored is not None


def test_what_came_too_late_does_not_count_and_ends() -> None:
    given_up, ended = threading.Event(), threading.Event()

    def look(members: Sequence[Member]) -> None:
        if members[0].outcome:
            given_up.set()

    def late() -> Stored:
        given_up.wait()
        try:
            say("here again")
        except GivenUp:
            ended.set()
            raise
        return Stored(Path("x"), record())

    (outcome,) = together({"late": late}, look, stall_s=0.3)
    assert isinstance(outcome.error, BoardUnreachable)
    assert ended.wait(5)


def test_a_sign_of_life_may_come_from_another_thread() -> None:
    def quiet() -> Stored:
        by = watcher()
        assert by is not None
        over = time.monotonic() + 5

        def keepalive() -> None:
            while time.monotonic() < over:
                by.alive()
                time.sleep(0.1)

        threading.Thread(target=keepalive, daemon=True).start()
        time.sleep(3)
        return Stored(Path("x"), record())

    (outcome,) = together({"quiet": quiet}, unseen, stall_s=2)
    assert outcome.stored is not None


def test_ctrl_c_ends_every_thread() -> None:
    ended = {name: threading.Event() for name in ("a", "b")}

    def endless(name: str) -> Callable[[], Stored]:
        def work() -> Stored:
            try:
                for _ in track(iter(int, 1), "measuring"):
                    time.sleep(0.02)
            finally:
                ended[name].set()
            raise AssertionError

        return work

    def interrupt(members: Sequence[Member]) -> None:
        if all(member.label == "measuring" for member in members):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        together({name: endless(name) for name in ended}, interrupt)
    assert all(event.is_set() for event in ended.values())


def test_without_a_terminal_each_change_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> Stored:
        raise Refused("in use by jo@desk", where="two", fix="wait")

    def works() -> Stored:
        for _ in track(range(30), "measuring"):
            time.sleep(0.02)
        return Stored(Path("x"), record())

    with live() as show:
        together({"one": works, "two": fails}, show)
    told = capsys.readouterr().err.splitlines()
    assert told.count("one: measuring") == 1
    assert "one: done in 1 s" in told
    assert "two: in use by jo@desk" in told


def summary(*outcomes: Outcome) -> str:
    stream = io.StringIO()
    print_summary(outcomes, stream)
    return stream.getvalue()


def test_the_summary_has_every_board_and_emulated_ones_apart() -> None:
    counted = Stored(Path("e"), record("vb-1", emulated=True))
    text = summary(
        Outcome("pi@one", 9.0, Stored(Path("r"), record())),
        Outcome("vb", 9.0, counted),
        Outcome("pi@two", 20.0, error=BoardUnreachable("is gone", where="pi@two", fix="look")),
    )
    times, counts = text.split("Instruction counts")
    assert "pi@one" in times and " ms" in times and "FASTER" in times
    assert "vb" in counts and "M instructions" in counts and "FEWER" in counts
    assert "FASTER" not in counts and "pi@one" not in counts
    assert "FAILED (3): pi@two: is gone" in text
    assert text.rstrip().endswith("2 of 3 boards measured")
    assert max(map(len, text.splitlines())) <= 100
