"""One sshd for the whole run, and a maker of special ones."""

from __future__ import annotations

import pytest

from pipeline.board import ssh
from tests.board.ssh.proxy import Proxy
from tests.board.ssh.servers import USER, Sshd, make_key, program


@pytest.fixture(scope="session")
def user_key(tmp_path_factory):
    program()
    return make_key(tmp_path_factory.mktemp("keys") / "id")


@pytest.fixture(scope="session")
def sshd(tmp_path_factory, user_key):
    server = Sshd(tmp_path_factory.mktemp("sshd") / "main", user_key)
    yield server
    server.stop()


@pytest.fixture
def make_sshd(tmp_path, user_key):
    made = []

    def make(name="other", **options):
        made.append(Sshd(tmp_path / name, user_key, **options))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def connect(user_key):
    """Connect to a server with its own key file; everything is closed at the end."""
    made = []

    def go(server, host="127.0.0.1", **options):
        known = {"identity": user_key, "known_hosts": server.known_hosts, "port": server.port}
        made.append(ssh.connect(host, **{"config": "none", "user": USER, **known, **options}))
        return made[-1]

    yield go
    for transport in made:
        transport.close()


@pytest.fixture
def board(connect, sshd):
    return connect(sshd)


@pytest.fixture
def make_proxy():
    made = []

    def make(server):
        made.append(Proxy(server.port))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.fixture
def proxy(sshd, make_proxy):
    return make_proxy(sshd)


@pytest.fixture
def refused():
    """The text of the error that a call raises: one or two lines, with a fix."""

    def text(kind, call, *arguments, **options):
        with pytest.raises(kind) as caught:
            call(*arguments, **options)
        assert len(str(caught.value).splitlines()) == 2 and "fix: " in str(caught.value)
        return str(caught.value)

    return text
