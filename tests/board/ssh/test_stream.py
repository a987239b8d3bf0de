"""A session's process group on the board ends with the session, however that ends."""

import json
import os
import signal
import sys
from pathlib import PurePosixPath

import pytest

from pipeline.board import session
from pipeline.board.pack import packed
from pipeline.board.shell import Shell
from pipeline.board.upload import upload
from pipeline.errors import BoardUnreachable, Refused
from tests.agent import boards
from tests.agent.test_process import HANG

PYTHON = PurePosixPath(sys.executable)


@pytest.fixture
def board_folder(tmp_path):
    """A place on the board; its name is in the command line of all that runs from it."""
    folder = tmp_path / "on-the-board"
    folder.mkdir()
    return folder


@pytest.fixture
def program(board, board_folder):
    """The agent, pushed."""
    path = PurePosixPath(board_folder / packed().path.name)
    assert upload(Shell(board, "b"), packed().path, path)
    return path


def hanging(board_folder):
    """A measurement whose worker never answers."""
    return boards.failing(boards.fake_runtime(board_folder / "site", HANG))


def running(folder):
    return len(boards.running(str(folder)))


def two_processes_run(folder):
    """Supervising shell, agent and worker all have the folder in their command lines."""
    return boards.eventually(lambda: running(folder) == 3)


def none_runs(folder):
    return boards.eventually(lambda: running(folder) == 0)


def test_the_agent_runs_on_the_board(board, program, board_folder):
    seen = []
    events = session.run(
        PYTHON, boards.spec("facts"), timeout_s=60, transport=board, program=program,
        on_event=seen.append,
    )  # fmt: skip
    assert [e["event"] for e in events] == ["hello", "facts", "done"]
    assert [e["event"] for e in seen if e["event"] != "heartbeat"] == ["hello", "facts", "done"]
    assert none_runs(board_folder)


def test_a_failed_worker_and_a_refused_spec_come_back(board, program, board_folder):
    spec = boards.failing(boards.fake_runtime(board_folder / "site", "import os\nos.abort()"))
    events = session.run(PYTHON, spec, timeout_s=60, transport=board, program=program)
    assert boards.kinds(events) == ["hello", "facts", "failed", "facts", "done"]
    with pytest.raises(Refused, match="no arms"):
        session.run(PYTHON, boards.spec("measure"), timeout_s=60, transport=board, program=program)


def test_a_program_that_is_not_there_is_named(board, program):
    with pytest.raises(BoardUnreachable, match=r"exit code 127: .*/no-python: not found"):
        session.run(
            PurePosixPath("/no-python"), boards.spec("facts"), timeout_s=60, transport=board,
            program=program,
        )  # fmt: skip


def test_the_time_limit_ends_agent_and_worker(board, program, board_folder):
    with pytest.raises(BoardUnreachable, match="time limit"):
        session.run(PYTHON, hanging(board_folder), timeout_s=3, transport=board, program=program)
    assert none_runs(board_folder)


def start_hanging(transport, program, board_folder):
    """A stream with an agent whose worker hangs."""
    stream = transport.stream([str(PYTHON), "-I", str(program), "--fd", "1"])
    assert json.loads(stream.read_line(30))["event"] == "hello"
    stream.write(json.dumps(hanging(board_folder)).encode() + b"\n")
    assert two_processes_run(board_folder)
    return stream


def test_a_finished_stream_leaves_no_process(board, program, board_folder):
    stream = start_hanging(board, program, board_folder)
    assert stream.finish(10) in (130, -2)
    assert none_runs(board_folder)


def test_a_dropped_connection_ends_the_agent_and_its_worker(
    make_sshd, connect, program, board_folder
):
    server = make_sshd()
    start_hanging(connect(server), program, board_folder)
    server.kill_sessions()
    assert none_runs(board_folder)


def test_a_closed_transport_ends_the_agent_and_its_worker(sshd, connect, program, board_folder):
    transport = connect(sshd)
    start_hanging(transport, program, board_folder)
    transport.close()
    assert none_runs(board_folder)


STUBBORN = """
import os, signal, sys, time
for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(each, signal.SIG_IGN)
if os.fork():
    time.sleep(300)
print("two", flush=True)
time.sleep(300)
"""


def test_a_stubborn_command_and_its_children_end_too(board, board_folder):
    script = board_folder / "stubborn.py"
    script.write_text(STUBBORN)
    stream = board.stream([sys.executable, "-I", str(script)])
    assert stream.read_line(30) == b"two"
    assert stream.finish(0.5) < 0
    assert none_runs(board_folder)


def test_what_a_command_leaves_behind_ends_with_its_stream(board, board_folder):
    script = board_folder / "leaves.sh"
    script.write_text("sleep 300 & echo begun; exit 7\n")
    marker = str(board_folder / "leaves.sh")
    stream = board.stream(["sh", "-c", '. "$0"', marker])
    assert stream.read_line(30) == b"begun"
    assert stream.read_line(30) is None
    assert stream.finish(5) == 7
    assert none_runs(board_folder)


def test_a_command_over_its_time_is_ended(board, board_folder, refused):
    marker = str(board_folder)
    text = refused(
        BoardUnreachable, board.exec, ["sh", "-c", "sleep 300; :", marker], timeout_s=1.0
    )
    assert "does nothing for 1 s" in text
    assert none_runs(board_folder)


def test_a_service_that_a_command_starts_stays(board, board_folder):
    file = board_folder / "log"
    file.touch()
    board.exec(["sh", "-c", 'tail -f "$0" >/dev/null 2>&1 &', str(file)], timeout_s=20)
    assert boards.eventually(lambda: running(file) == 1)
    (pid,) = boards.running(str(file))
    os.kill(pid, signal.SIGKILL)


def test_input_and_many_lines(board):
    stream = board.stream(["cat"])
    lines = [b"%d" % n + b"x" * 3000 for n in range(300)]
    stream.write(b"\n".join(lines) + b"\n")
    assert [stream.read_line(20) for _ in lines] == lines
    with pytest.raises(TimeoutError):
        stream.read_line(0.2)
    assert stream.finish(10) == 0


def test_much_on_stderr_blocks_nothing_and_its_end_is_kept(board):
    script = "head -c 5000000 /dev/zero | tr '\\0' x >&2; echo last words >&2; echo done"
    stream = board.stream(["sh", "-c", script])
    assert stream.read_line(30) == b"done"
    assert stream.finish(10) == 0
    assert stream.stderr_tail().endswith("xlast words")
