"""Networks that break: reported in time, in words, and the next attempt goes on from there."""

import os
import socket
import threading
import time
from pathlib import PurePosixPath

import pytest

from pipeline.board.shell import Shell
from pipeline.board.ssh import files, wire
from pipeline.board.upload import upload
from pipeline.errors import BoardUnreachable
from tests.board.ssh.servers import free_port

LIMIT_S = 15.0  # what the transport promises
SIZE = 6_000_000


class Bare:
    """A host and port in the place of an sshd."""

    def __init__(self, port, known_hosts):
        self.port, self.known_hosts = port, known_hosts


@pytest.fixture
def payload(tmp_path):
    path = tmp_path / "payload"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def impatient(monkeypatch):
    """The same bounds, shorter, where a test is not about their length."""
    monkeypatch.setattr(wire, "PROBE_S", 0.3)
    monkeypatch.setattr(wire, "ANSWER_S", 1.0)


def parts(folder):
    """Sizes of all files below a folder."""
    return sorted(p.stat().st_size for p in folder.iterdir())


def test_a_port_where_nothing_listens(sshd, connect, refused):
    text = refused(BoardUnreachable, connect, Bare(free_port(), sshd.known_hosts))
    assert "nothing listens on port" in text


def test_a_name_without_address(sshd, connect, refused):
    assert "no address for" in refused(BoardUnreachable, connect, sshd, "no-such.invalid")


def test_a_server_that_speaks_no_ssh(sshd, connect, refused):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            client, _ = server.accept()
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            client.close()

        threading.Thread(target=answer).start()
        bare = Bare(server.getsockname()[1], sshd.known_hosts)
        assert "no sshd answers there" in refused(BoardUnreachable, connect, bare)


def test_a_server_that_says_nothing(sshd, connect, refused):
    with socket.create_server(("127.0.0.1", 0)) as server:
        bare = Bare(server.getsockname()[1], sshd.known_hosts)
        begin = time.monotonic()
        assert "no answer within" in refused(BoardUnreachable, connect, bare)
        assert time.monotonic() - begin < LIMIT_S


@pytest.fixture
def login_bytes(sshd, proxy, connect):
    """How much a client sends until it is logged in."""
    connect(Bare(proxy.port, _for(sshd, proxy))).close()
    return proxy.forwarded


def test_a_handshake_that_is_cut_anywhere(sshd, proxy, connect, refused, login_bytes):
    for part in (0.01, 0.2, 0.4, 0.6, 0.8, 0.9):
        proxy.break_after(int(login_bytes * part), "cut")
        refused(BoardUnreachable, connect, Bare(proxy.port, _for(sshd, proxy)))


@pytest.mark.parametrize("part", [0.5, 0.8])
def test_a_handshake_in_a_black_hole(sshd, proxy, connect, refused, login_bytes, part):
    proxy.break_after(int(login_bytes * part), "hole")
    refused(BoardUnreachable, connect, Bare(proxy.port, _for(sshd, proxy)))
    assert time.monotonic() - proxy.broken_at < LIMIT_S


def _for(sshd, proxy):
    """known_hosts with the server's key under the proxy's port."""
    file = sshd.folder / f"known_hosts_{proxy.port}"
    file.write_text(sshd.known_hosts.read_text().replace(str(sshd.port), str(proxy.port)))
    return file


@pytest.mark.parametrize("sftp", [True, False])
@pytest.mark.parametrize("fault", ["cut", "hole"])
def test_a_put_that_breaks_is_told_and_the_next_one_goes_on(
    make_sshd, make_proxy, connect, refused, payload, tmp_path, fault, sftp
):
    server = make_sshd() if sftp else make_sshd(lines=())
    proxy = make_proxy(server)
    bare, folder = Bare(proxy.port, _for(server, proxy)), tmp_path / "there"
    folder.mkdir()
    target = PurePosixPath(folder / "payload")
    first = connect(bare)
    first.exec(["true"], timeout_s=20)
    proxy.break_after(SIZE // 2, fault)
    text = refused(BoardUnreachable, upload, Shell(first, "b"), payload, target)
    assert time.monotonic() - proxy.broken_at < LIMIT_S
    assert "the connection broke" in text or "no sign of life" in text
    (kept,) = parts(folder)
    assert 0 < kept <= SIZE // 2
    assert not (folder / "payload").exists()
    refused(BoardUnreachable, first.exec, ["true"], timeout_s=20)
    proxy.heal()
    before = proxy.forwarded
    assert upload(Shell(connect(bare), "b"), payload, target)
    assert (folder / "payload").read_bytes() == payload.read_bytes()
    assert parts(folder) == [SIZE]
    assert proxy.forwarded - before < SIZE - kept + 200_000


def test_a_stream_in_a_black_hole(sshd, proxy, connect, refused, impatient):
    transport = connect(Bare(proxy.port, _for(sshd, proxy)))
    stream = transport.stream(["sh", "-c", "echo begin; sleep 60; echo end"])
    assert stream.read_line(20) == b"begin"
    proxy.break_after(1, "hole")
    assert "no sign of life" in refused(BoardUnreachable, stream.read_line, 60)
    assert stream.finish(1) < 0


def test_a_silent_command_on_a_live_line_is_waited_for(board, impatient):
    assert board.exec(["sleep", "3"], timeout_s=20).status == 0


def test_a_jump_in_a_black_hole_is_named(make_sshd, make_proxy, connect, user_key, refused,
                                         impatient, tmp_path):  # fmt: skip
    server, jump = make_sshd("board"), make_sshd("jump")
    proxy = make_proxy(jump)
    config = tmp_path / "config"
    config.write_text(
        f"Host relay\n HostName 127.0.0.1\n Port {proxy.port}\n"
        f" UserKnownHostsFile {_for(jump, proxy)}\n IdentityFile {user_key}\n"
        "Host 127.0.0.1\n ProxyJump relay\n"
    )
    transport = connect(server, config=config)
    proxy.break_after(1, "hole")
    text = refused(BoardUnreachable, transport.exec, ["true"], timeout_s=20)
    assert "no sign of life" in text or "broke" in text


def test_an_sshd_that_is_killed_in_mid_stream(make_sshd, connect, refused):
    server = make_sshd()
    transport = connect(server)
    stream = transport.stream(["sh", "-c", "echo begin; cat"])
    assert stream.read_line(20) == b"begin"
    server.kill_sessions()
    assert "the connection broke" in refused(BoardUnreachable, stream.read_line, 20)
    refused(BoardUnreachable, stream.write, b"x" * 100)
    assert stream.finish(1) < 0 and stream.finish(1) < 0
    for call in (lambda: transport.stream(["true"]), lambda: transport.fetch(PurePosixPath("/x"))):
        refused(BoardUnreachable, call)
    refused(BoardUnreachable, transport.put, b"x", PurePosixPath("/tmp/x/y"), offset=0)


STALLS = """#!/bin/sh
head -c 100000 >/dev/null
exec sleep 100
"""


def test_a_board_that_takes_no_more_data(make_sshd, connect, refused, tmp_path):
    program = tmp_path / "bin" / "cat"
    program.parent.mkdir()
    program.write_text(STALLS)
    program.chmod(0o755)
    command = f'PATH={program.parent}:$PATH exec sh -c "$SSH_ORIGINAL_COMMAND"'
    board = connect(make_sshd(lines=(f"ForceCommand {command}",)))
    begin = time.monotonic()
    path = PurePosixPath(tmp_path / "file")
    text = refused(BoardUnreachable, board.put, bytes(8 << 20), path, offset=0)
    assert time.monotonic() - begin < LIMIT_S
    assert "takes no data" in text


def test_an_sftp_server_that_says_nothing_is_none(make_sshd, connect, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "STALL_S", 1.0)
    board = connect(make_sshd(lines=("Subsystem sftp /bin/sleep 15",)))
    path = PurePosixPath(tmp_path / "file")
    board.put(b"abc", path, offset=0)
    assert board.fetch(path) == b"abc"
