"""The local transport: four functions over child processes and files."""

import hashlib
import random
import sys

import pytest

from pipeline.board.local import Local
from pipeline.errors import BoardUnreachable
from tests.agent import boards


@pytest.fixture
def board():
    return Local()


def test_exec_gives_status_and_both_streams(board):
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    done = board.exec([sys.executable, "-c", code], timeout_s=30)
    assert (done.status, done.stdout, done.stderr) == (3, b"out\n", b"err\n")


def test_exec_of_nothing_and_of_what_never_ends_are_clear(board):
    with pytest.raises(BoardUnreachable, match="No such file") as missing:
        board.exec(["/no/such/program"], timeout_s=1)
    assert missing.value.exit_code == 3
    with pytest.raises(BoardUnreachable, match=r"no end within 0\.2 s"):
        board.exec(["sleep", "60"], timeout_s=0.2)


def test_put_in_pieces_of_any_order_gives_the_whole(board, tmp_path):
    data = random.Random(5).randbytes(100_000)
    cuts = sorted(random.Random(6).sample(range(1, len(data)), 9))
    pieces = list(zip([0, *cuts], [*cuts, len(data)], strict=True))
    random.Random(7).shuffle(pieces)
    target = tmp_path / "new" / "folder" / "file"
    for start, stop in pieces:
        board.put(data[start:stop], target, offset=start)
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(data).digest()


def test_a_stream_talks_line_by_line(board):
    code = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"
    stream = board.stream([sys.executable, "-c", code])
    stream.write(b"one\ntwo\n")
    assert [stream.read_line(30), stream.read_line(30)] == [b"ONE", b"TWO"]
    with pytest.raises(TimeoutError):
        stream.read_line(0.05)
    assert stream.finish(30) == 0


def test_finish_ends_the_whole_group_and_keeps_the_last_words(board, tmp_path):
    marker = str(tmp_path / "marker")
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)', sys.argv[1]])\n"
        "print('stubborn', file=sys.stderr)\nprint('up', flush=True)\ntime.sleep(99)"
    )
    stream = board.stream([sys.executable, "-c", code, marker])
    assert stream.read_line(30) == b"up"
    assert boards.eventually(lambda: len(boards.running(marker)) == 2, 30)
    assert stream.finish(0.2) == -9
    assert boards.eventually(lambda: not boards.running(marker))
    assert stream.stderr_tail() == "stubborn"
