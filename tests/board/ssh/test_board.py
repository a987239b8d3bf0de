"""A whole board over a real sshd: what ails it is one clear error, and nothing stays half-made."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from pathlib import Path, PurePosixPath

import pytest

from pipeline.board.board import closing
from pipeline.board.release import release
from pipeline.board.remote import RemoteBoard
from pipeline.board.shell import Shell
from pipeline.board.slots import Hooks, Slot
from pipeline.board.ssh import wire
from pipeline.errors import BoardUnreachable, Refused
from tests.agent import boards
from tests.bench.models import write_dense
from tests.board.ssh.servers import SFTP
from tests.board.test_upload import mounted

BIN = Path(sys.executable).parent
RUNTIMES = ["ai-edge-litert", "tflite-runtime"]
TOOLS = (
    "sh", "bash", "cat", "sed", "wc", "ls", "ln", "mv", "mkdir", "rm", "touch", "sha256sum",
    "readlink", "df", "sync", "dd", "tail", "head", "sleep", "setsid", "find",
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_dense(tmp_path_factory.mktemp("models") / "dense.tflite", width=16)


@pytest.fixture
def reach(tmp_path, make_sshd, connect, monkeypatch):
    """Connect to a board whose PATH is given, and whose lease is its own."""
    monkeypatch.setattr("pipeline.board.wheels.PUBLISHED", ())
    servers = {}

    def go(path=f"{BIN}:/usr/bin:/bin", *, lines=(SFTP,), **options):
        if (path, lines) not in servers:
            # HOME, so that no start file of this user's shell has a say.
            environment = f"SetEnv PATH={path} HOME={tmp_path} SECATEUR_LEASE={tmp_path}/lease"
            name = f"sshd{len(servers)}"
            servers[path, lines] = make_sshd(name, lines=(*lines, environment))
        go.server = servers[path, lines]
        return connect(go.server, **options)

    return go


@pytest.fixture
def bin_of(tmp_path):
    """A PATH without any Python, to which one may be added."""

    def make(python=None):
        folder = tmp_path / "bin"
        folder.mkdir()
        for tool in TOOLS:
            (folder / tool).symlink_to(shutil.which(tool))
        if python:
            (folder / "python3").write_text(python)
            (folder / "python3").chmod(0o755)
        return str(folder)

    return make


def board_on(transport, root):
    return RemoteBoard(transport, str(root), name="pi@board")


def spec_of(board, model, **settings):
    return boards.spec("measure", board.send(model), runtime="ai-edge-litert", **settings)


@pytest.mark.parametrize("lines", [(SFTP,), ()], ids=["sftp", "no sftp-server"])
def test_a_session_from_start_to_end(reach, tmp_path, model, lines):
    root = tmp_path / "root with space"
    for _ in range(2):
        with closing(board_on(reach(lines=lines), root)) as board:
            assert board.choose(RUNTIMES) == "ai-edge-litert"
            events = board.run(spec_of(board, model), timeout_s=60)
            assert [e["event"] for e in events[-2:]] == ["facts", "done"]
            assert any(e["event"] == "process" for e in events)
            Path(board.scratch(), "out").write_bytes(b"12")
            assert board.fetch(f"{board.scratch()}/out", tmp_path / "in").read_bytes() == b"12"
    assert sorted(p.name for p in (root / ".work").iterdir()) == ["agent", "files"]
    assert not boards.running(str(root))


def test_two_users_on_one_board(reach, tmp_path):
    refused = pytest.raises(Refused, match=r"pi@board: in use by .* since 20")
    with closing(board_on(reach(), tmp_path / "one")), refused:
        board_on(reach(), tmp_path / "two")
    board_on(reach(), tmp_path / "two").close()


def test_no_python(reach, bin_of, tmp_path):
    with pytest.raises(Refused, match="no Python 3 on the board's PATH"):
        board_on(reach(bin_of()), tmp_path / "root")


def test_too_old_a_python(reach, bin_of, tmp_path):
    found = sorted((Path.home() / ".pyenv/versions").glob("3.[678].*/bin/python3"))
    if not found:
        pytest.skip("NO OLD PYTHON: `pyenv install 3.8` gives one")
    script = f'#!/bin/sh\nexec {found[0]} "$@"\n'
    with pytest.raises(Refused, match=r"too old, the agent needs Python 3\.9"):
        board_on(reach(bin_of(script)), tmp_path / "root")


def test_musl_and_an_architecture_without_wheels(reach, bin_of, tmp_path, monkeypatch):
    """The Python of this machine, which says of itself that it is another one's."""
    monkeypatch.undo()
    monkeypatch.setenv("SECATEUR_HOME", str(tmp_path / "home"))
    script = f"""#!/bin/sh
case $3 in
  *ld-musl*) {sys.executable} "$@" | sed 's/"glibc", "[0-9.]*"/"musl", ""/; s/ai-edge/x/' ;;
  *) exec {sys.executable} "$@" ;;
esac
"""
    with closing(board_on(reach(bin_of(script)), tmp_path / "root")) as board:
        assert isinstance(board, RemoteBoard)
        with pytest.raises(Refused, match="musl") as caught:
            board.choose(["tflite-runtime"])
    assert caught.value.fix


def test_a_full_disk(reach, tmp_path, model):
    large = tmp_path / "large.tflite"
    large.write_bytes(os.urandom(3_000_000))
    with mounted(tmp_path / "disk", "size=2m") as disk, closing(board_on(reach(), disk)) as board:
        with pytest.raises(Refused, match="no space left"):
            board.send(large)
        assert list((disk / ".work/files").iterdir()) == []
        assert Path(board.send(model)).read_bytes() == model.read_bytes()


def test_a_read_only_root(reach, tmp_path):
    with (
        mounted(tmp_path / "disk", "ro,size=1m") as disk,
        pytest.raises(Refused, match="Read-only"),
    ):
        board_on(reach(), disk)


def test_a_board_whose_connections_die_in_a_measurement(reach, tmp_path, model):
    root = tmp_path / "root"
    board = board_on(reach(), root)
    spec = spec_of(board, model, max_iterations=10**9)
    spec["window_ns"] = 60_000_000_000

    def die():
        assert boards.eventually(lambda: len(boards.running(f"{root}/.work/agent/")) > 1)
        reach.server.kill_sessions()

    thread = threading.Thread(target=die)
    thread.start()
    with pytest.raises(BoardUnreachable):
        board.run(spec, timeout_s=60)
    thread.join()
    board.close()
    assert boards.eventually(lambda: not boards.running(f"{root}/.work/agent/"))
    assert boards.eventually(lambda: not (root / ".work/sessions").exists())
    with closing(board_on(reach(), root)) as again:
        assert again.run(spec_of(again, model), timeout_s=60)[-1]["event"] == "done"


@pytest.mark.parametrize("fault", ["cut", "hole"])
def test_a_push_that_dies_is_finished_by_the_next(
    reach, make_proxy, connect, tmp_path, fault, monkeypatch
):
    monkeypatch.setattr(wire, "PROBE_S", 0.3)
    monkeypatch.setattr(wire, "ANSWER_S", 1.0)
    root = PurePosixPath(tmp_path / "root")
    (tmp_path / "model").write_bytes(os.urandom(4_000_000))
    made = release({"model": tmp_path / "model"}, {"name": "m"})
    reach().close()
    proxy = make_proxy(reach.server)
    known_hosts = tmp_path / "known_hosts"
    text = reach.server.known_hosts.read_text()
    known_hosts.write_text(text.replace(str(reach.server.port), str(proxy.port)))
    transport = connect(reach.server, port=proxy.port, known_hosts=known_hosts)
    proxy.break_after(2_500_000, fault)
    with pytest.raises(BoardUnreachable):
        Slot(Shell(transport, "b"), root, "app").push(made)
    slot = Slot(Shell(reach(), "b"), root, "app")
    assert slot.releases() == []
    held = sum(p.stat().st_size for p in Path(slot.folder).rglob("*") if p.is_file())
    assert held > 1_000_000
    slot.push(made)
    slot.publish(None, Hooks(health_cmd="test -s current/model"))
    assert (Path(slot.folder) / "current/model").read_bytes() == (tmp_path / "model").read_bytes()


def test_a_publish_whose_line_dies_is_still_taken_back_when_it_is_ill(reach, tmp_path):
    root = PurePosixPath(tmp_path / "root")
    (tmp_path / "model").write_bytes(b"model")
    slot = Slot(Shell(reach(), "b"), root, "app")
    one, two = (release({"model": tmp_path / "model"}, {"name": n}) for n in ("one", "two"))
    slot.push(one)
    slot.publish(None, Hooks())
    slot.push(two)
    link = Path(slot.folder) / "current"

    def die():
        assert boards.eventually(lambda: link.readlink().name == two.digest)
        reach.server.kill_sessions()

    thread = threading.Thread(target=die)
    thread.start()
    with pytest.raises(BoardUnreachable):
        slot.publish(None, Hooks(health_cmd="sleep 2; exit 1"))
    thread.join()
    assert boards.eventually(lambda: link.readlink().name == one.digest)
