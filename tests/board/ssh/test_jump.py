"""Through other hosts: each hop is a host with a configuration and a key of its own."""

import sys

import pytest

from pipeline.errors import BoardUnreachable
from tests.board.ssh.servers import free_port

BOARD = """
Host board
 HostName 127.0.0.1
 Port {board.port}
 UserKnownHostsFile {board.known_hosts}
 ProxyJump {jumps}
"""
JUMP = """
Host {name}
 HostName 127.0.0.1
 Port {jump.port}
 UserKnownHostsFile {jump.known_hosts}
 IdentityFile {key}
"""


def works(transport):
    return transport.exec(["true"], timeout_s=20).status == 0


@pytest.fixture
def through(sshd, connect, user_key, tmp_path):
    """Connect to the board through named servers, in this order."""

    def go(extra="", jumps=None, **servers):
        config = tmp_path / "config"
        texts = [JUMP.format(name=n, jump=s, key=user_key) for n, s in servers.items()]
        board = BOARD.format(board=sshd, jumps=jumps or ",".join(servers))
        config.write_text(extra + "".join(texts) + board + f"Host *\n IdentityFile {user_key}\n")
        given = {"config": config, "known_hosts": None, "port": None, "identity": None}
        return connect(sshd, "board", **given)

    return go


def test_through_one_and_two_hosts(through, make_sshd):
    first, second = make_sshd("first"), make_sshd("second")
    assert works(through(one=first)) and len(first.sessions()) == 1
    assert works(through(one=first, two=second))
    assert len(first.sessions()) == 2 and len(second.sessions()) == 1


def test_the_key_of_each_hop_is_checked(through, make_sshd, refused, sshd):
    jump = make_sshd()
    line = jump.known_hosts.read_text()
    jump.known_hosts.write_text("")
    text = refused(BoardUnreachable, through, one=jump)
    assert "@one: its host key is not known" in text and jump.fingerprint() in text
    jump.known_hosts.write_text(line)
    kept, _ = sshd.known_hosts.read_text(), sshd.known_hosts.write_text("")
    text = refused(BoardUnreachable, through, one=jump)
    sshd.known_hosts.write_text(kept)
    assert "@board: its host key is not known" in text and sshd.fingerprint() in text


def test_a_jump_host_that_does_not_forward(through, make_sshd, refused):
    jump = make_sshd(lines=("AllowTcpForwarding no",))
    text = refused(BoardUnreachable, through, one=jump)
    assert "one gets no connection to 127.0.0.1" in text and "forwarding" in text


def test_a_circle_of_jumps_ends(through, make_sshd, refused):
    servers = {"one": make_sshd("one"), "two": make_sshd("two")}
    extra = "Host one\n ProxyJump two\nHost two\n ProxyJump one\n"
    assert "circle" in refused(BoardUnreachable, through, extra=extra, jumps="one", **servers)


def test_a_jump_for_every_host_is_none_for_itself(through, make_sshd):
    assert works(through(extra="Host *\n ProxyJump one\n", one=make_sshd()))


def test_a_jump_host_that_dies_is_a_lost_board(through, make_sshd, refused):
    jump = make_sshd()
    transport = through(one=jump)
    jump.kill_sessions()
    text = refused(BoardUnreachable, transport.exec, ["true"], timeout_s=20)
    assert "@board: the connection broke" in text


RELAY = """
import os, socket, sys, threading
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536):
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := s.recv(65536):
    os.write(1, data)
"""


def test_a_proxy_command(sshd, connect, refused, tmp_path):
    config, relay = tmp_path / "config", tmp_path / "relay.py"
    relay.write_text(RELAY)
    config.write_text(f"ProxyCommand {sys.executable} -I {relay} %h %p\n")
    assert works(connect(sshd, config=config))
    config.write_text("ProxyCommand false\n")
    assert "the ProxyCommand says: `false`" in refused(
        BoardUnreachable, connect, sshd, config=config
    )


def test_a_port_where_nothing_listens_behind_a_jump(through, make_sshd, refused, sshd):
    kept, sshd.port = sshd.port, free_port()
    try:
        assert "gets no connection" in refused(BoardUnreachable, through, one=make_sshd())
    finally:
        sshd.port = kept
