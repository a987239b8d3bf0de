"""A whole session on a board, through a transport; what it leaves, and what ends it early."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.bench.accuracy import TestSample
from pipeline.bench.arms import Arm
from pipeline.bench.measure import measure
from pipeline.bench.settings import SessionSettings
from pipeline.board import provision, remote
from pipeline.board.board import LocalBoard, closing
from pipeline.board.interpreter import Interpreter
from pipeline.board.local import Local
from pipeline.board.wheels import Choice
from pipeline.errors import BoardUnreachable, Refused
from tests.agent import boards
from tests.bench.models import write_dense
from tests.board.local_boards import board_at

LAYOUT = {"input": [0, 1], "outputs": [{"name": "y", "to_torch": [0, 1]}]}
QUICK: dict[str, Any] = {"processes": 1, "warmup_ms": 2, "window_ms": 10}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dense(tmp_path_factory.mktemp("models") / "dense.tflite", width=16)


@pytest.fixture
def own_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """The board's Python has the runtime already: nothing is fetched."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setattr("pipeline.board.wheels.PUBLISHED", ())


def left(root: Path) -> list[str]:
    return sorted(p.name for p in (root / ".work").iterdir())


@pytest.mark.usefixtures("own_runtime")
def test_a_session_gives_what_this_machine_itself_gives(
    root: Path, tmp_path: Path, model: Path
) -> None:
    inputs = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
    sample = TestSample(inputs, np.arange(40) % 3, lambda o, t: float((o.argmax(-1) == t).mean()))
    found = []
    for board in (board_at(root), LocalBoard()):
        with closing(board):
            assert board.choose(["ai-edge-litert", "tflite-runtime"]) == "ai-edge-litert"
            stored = measure(
                [Arm("ours with space", model, LAYOUT)], SessionSettings("t", **QUICK), board,
                recipe="r", results=tmp_path, sample=sample,
            )  # fmt: skip
            found.append(stored.record.row("accuracy", "ours with space"))
    assert found[0] == found[1] is not None
    assert left(root) == ["agent", "files"]
    assert not boards.running(str(root))


@pytest.mark.usefixtures("own_runtime")
def test_what_is_there_by_content_is_not_sent_again(root: Path, model: Path) -> None:
    class Counting(Local):
        puts = 0

        def put(self, data, path, *, offset):  # type: ignore[no-untyped-def]
            Counting.puts += 1
            super().put(data, path, offset=offset)

    def session() -> str:
        with closing(remote.RemoteBoard(Counting(), str(root), name="b")) as board:
            place = board.send(model)
            board.run(boards.spec("measure", place, runtime="ai-edge-litert"), timeout_s=60)
            assert Path(place).read_bytes() == model.read_bytes()
            return place

    place = session()
    assert Counting.puts == 2
    assert session() == place
    assert Counting.puts == 2
    Path(place).write_bytes(b"rotten on the SD card")
    assert session() == place
    assert Counting.puts == 3


def test_one_session_at_a_time_and_the_second_hears_of_the_first(root: Path) -> None:
    with closing(board_at(root)):
        with pytest.raises(Refused, match=r"in use by \w+@\S+ since \d{4}-\d\d-\d\d") as caught:
            board_at(root.with_name("of another user"))
        assert len(str(caught.value).splitlines()) == 2
    board_at(root).close()


HOLD = """
import sys
from tests.board.local_boards import board_at
from pathlib import Path
board = board_at(Path(sys.argv[1]))
Path(board.scratch(), "mine").touch()
print("held", flush=True)
import time; time.sleep(600)
"""


def test_a_host_that_is_killed_leaves_the_board_free_and_clean(root: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(root)]
    host = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert host.stdout is not None
    assert host.stdout.readline() == "held\n"
    assert (root / ".work/sessions/now/mine").exists()
    host.send_signal(signal.SIGKILL)
    host.communicate()
    assert boards.eventually(lambda: not (root / ".work/sessions").exists())
    board_at(root).close()


def test_agents_of_a_lost_session_are_ended_by_the_next(root: Path, tmp_path: Path) -> None:
    agent = root / ".work/agent/old.pyz"
    agent.parent.mkdir(parents=True)
    agent.write_text("import time; time.sleep(600)")
    (root / ".work/sessions/now").mkdir(parents=True)
    old = subprocess.Popen([sys.executable, "-I", str(agent)])
    with closing(board_at(root)):
        assert old.wait(10) == -signal.SIGTERM


def test_an_agent_that_does_not_end_when_it_is_asked_is_made_to(root: Path) -> None:
    agent = root / ".work/agent/deaf.pyz"
    agent.parent.mkdir(parents=True)
    ready = root / "ready"
    agent.write_text(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"open({str(ready)!r}, 'w'); time.sleep(600)"
    )
    deaf = subprocess.Popen([sys.executable, "-I", str(agent)])
    assert boards.eventually(ready.exists)
    with closing(board_at(root)):
        assert deaf.wait(10) == -signal.SIGKILL


def is_worker(pid: int) -> bool:
    """An upload names the agent's file too; a worker is there once the measurement runs."""
    try:
        return b"--worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


@pytest.mark.usefixtures("own_runtime")
def test_a_board_that_dies_in_a_measurement_is_unreachable_and_works_again(
    root: Path, tmp_path: Path, model: Path
) -> None:
    board = board_at(root)
    spec = boards.spec("measure", board.send(model), runtime="ai-edge-litert")
    spec["window_ns"] = 60_000_000_000
    spec["max_iterations"] = 10**9

    def reboot() -> None:
        assert boards.eventually(
            lambda: any(map(is_worker, boards.running(f"{root}/.work/agent/")))
        )
        for pid in boards.running(str(root)):
            if pid != os.getpid():
                os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=reboot)
    thread.start()
    with pytest.raises(BoardUnreachable, match="SIGKILL"):
        board.run(spec, timeout_s=60)
    thread.join()
    board.close()
    with closing(board_at(root)) as again:
        short = boards.spec("measure", again.send(model), runtime="ai-edge-litert")
        assert again.run(short, timeout_s=60)[-1]["event"] == "done"


def test_a_lease_that_the_board_dropped_stops_the_session(
    root: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.board.lease.BEAT_S", 0.05)
    with closing(board_at(root)) as board:
        for pid in boards.running(f"{root}/.work"):
            if pid != os.getpid():
                os.kill(pid, signal.SIGKILL)

        def told() -> bool:
            try:
                board.send(model)
            except BoardUnreachable as problem:
                return "is lost" in str(problem)
            return False

        assert boards.eventually(told)


def test_a_root_that_cannot_be_is_refused(root: Path) -> None:
    root.mkdir()
    (root / "file").touch()
    with pytest.raises(Refused, match="Not a directory"):
        board_at(root / "file/below")


def test_the_home_of_the_user_is_the_boards(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root))
    root.mkdir()
    with closing(remote.RemoteBoard(Local(), "~/of ours", name="b")) as board:
        assert board.scratch() == str(root.resolve() / "of ours/.work/sessions/now")


def fake_site(tmp_path: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wheels that are made here in the place of downloaded ones."""
    site = boards.fake_runtime(tmp_path / "site", body)
    archive = tmp_path / "wheels.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(p for p in site.rglob("*") if p.is_file()):
            tar.add(path, str(path.relative_to(site)))
    monkeypatch.setattr(provision, "packed", lambda choice: archive)


def fake_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    def choose(pythons: list[Interpreter], names: Any, *, board: str) -> Choice:
        return Choice("tflite-runtime", pythons[0], ("tflite-runtime==2.14.0",))

    monkeypatch.setattr(remote, "choose", choose)


def test_a_runtime_goes_there_once_as_a_folder(
    root: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_choice(monkeypatch)
    fake_site(tmp_path, "class Interpreter: pass\n", monkeypatch)
    for _ in range(2):
        with closing(board_at(root)) as board:
            spec = boards.spec("measure", board.send(model), runtime="tflite-runtime")
            failed = [e for e in board.run(spec, timeout_s=60) if e["event"] == "failed"]
            assert "tflite-runtime" in failed[0]["reason"]  # it was found, and has no version
    sites = list((root / ".work/sites").iterdir())
    assert len(sites) == 1
    assert (sites[0] / "tflite_runtime/interpreter.py").is_file()


def test_a_runtime_that_does_not_load_leaves_nothing_and_names_the_library(
    root: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_choice(monkeypatch)
    words = "libstdc++.so.6: cannot open shared object file: No such file or directory"
    fake_site(tmp_path, f"raise ImportError({words!r})", monkeypatch)
    with closing(board_at(root)) as board:
        spec = boards.spec("measure", board.send(model), runtime="tflite-runtime")
        with pytest.raises(Refused, match=r"package that has libstdc\+\+\.so\.6"):
            board.run(spec, timeout_s=60)
    assert not list((root / ".work/sites").iterdir())


def test_an_unpacking_that_was_cut_is_made_anew(
    root: Path, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_choice(monkeypatch)
    fake_site(tmp_path, "import os; os.abort()", monkeypatch)
    with closing(board_at(root)) as board, pytest.raises(Refused, match="does not load"):
        board.run(boards.spec("measure", model, runtime="tflite-runtime"), timeout_s=60)
    assert [p.name for p in (root / ".work/sites").iterdir() if p.suffix != ".part"] == []
    (tmp_path / "again").mkdir()
    fake_site(tmp_path / "again", "class Interpreter: pass\n", monkeypatch)
    with closing(board_at(root)) as board:
        board.run(boards.spec("measure", model, runtime="tflite-runtime"), timeout_s=60)
    assert [p.name for p in (root / ".work/sites").glob("*/tflite_runtime")] == ["tflite_runtime"]
