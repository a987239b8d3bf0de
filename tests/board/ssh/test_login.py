"""Who is let in, and what is said to those who are not."""

import os
import re
import signal
import subprocess

import pytest

from pipeline.errors import BoardUnreachable
from tests.board.ssh.servers import SFTP, make_key


def works(transport):
    return transport.exec(["true"], timeout_s=20).status == 0


@pytest.fixture
def agent(monkeypatch):
    """An ssh-agent that holds the keys one adds."""
    text = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    monkeypatch.setenv("SSH_AUTH_SOCK", re.search(r"SSH_AUTH_SOCK=([^;]+)", text)[1])
    yield lambda key: subprocess.run(["ssh-add", str(key)], check=True, capture_output=True)
    os.kill(int(re.search(r"SSH_AGENT_PID=(\d+)", text)[1]), signal.SIGTERM)


def without_files(tmp_path, text=""):
    """A configuration that names no key file that exists."""
    config = tmp_path / "config"
    config.write_text(f"IdentityFile {tmp_path}/none\n{text}")
    return {"config": config, "identity": None}


def test_a_wrong_user_and_a_refused_key_are_told_as_servers_tell_them(
    sshd, connect, refused, tmp_path
):
    text = refused(BoardUnreachable, connect, sshd, user="nobody-here")
    assert "lets 'nobody-here' not in with" in text and "ssh-copy-id" in text
    other = make_key(tmp_path / "other")
    assert f"not in with {other}" in refused(BoardUnreachable, connect, sshd, identity=other)


def test_no_key_at_all(sshd, connect, refused, tmp_path, monkeypatch):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    text = refused(BoardUnreachable, connect, sshd, **without_files(tmp_path))
    assert "no key to log in with" in text and "ssh-keygen" in text


def test_a_key_with_a_passphrase_asks_for_the_agent(sshd, connect, refused, tmp_path):
    key = make_key(tmp_path / "locked", passphrase="secret")
    text = refused(BoardUnreachable, connect, sshd, identity=key)
    assert f"{key} (has a passphrase: `ssh-add` it)" in text


def test_a_file_that_is_no_key(sshd, connect, refused, tmp_path):
    (tmp_path / "noise").write_bytes(b"\0\xff" * 99)
    text = refused(BoardUnreachable, connect, sshd, identity=tmp_path / "noise")
    assert "noise (cannot be read" in text


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_kinds_of_keys(make_sshd, connect, tmp_path, kind):
    server = make_sshd()
    key = make_key(tmp_path / kind, kind)
    (server.folder / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
    assert works(connect(server, identity=key))


def test_a_key_of_the_agent(sshd, connect, user_key, agent, tmp_path):
    agent(user_key)
    assert works(connect(sshd, **without_files(tmp_path)))


def test_only_the_named_key_of_the_agent(sshd, connect, refused, user_key, agent, tmp_path):
    agent(user_key)
    public = tmp_path / "mine.pub"
    public.write_text(user_key.with_suffix(".pub").read_text())
    named = f"IdentitiesOnly yes\nIdentityFile {public}\n"
    assert works(connect(sshd, **without_files(tmp_path, named)))
    options = without_files(tmp_path, "IdentitiesOnly yes\n")
    assert "no key to log in with" in refused(BoardUnreachable, connect, sshd, **options)


def test_an_agent_that_is_gone_is_no_reason_to_fail(sshd, connect, monkeypatch, tmp_path):
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "gone"))
    assert works(connect(sshd))


def test_too_many_keys(make_sshd, connect, refused, agent, tmp_path):
    server = make_sshd(lines=(SFTP, "MaxAuthTries 2"))
    for number in range(4):
        agent(make_key(tmp_path / f"k{number}"))
    text = refused(BoardUnreachable, connect, server, **without_files(tmp_path))
    assert "then hung up" in text and "fewer keys" in text


def test_a_server_that_takes_no_keys(make_sshd, connect, refused):
    lines = (SFTP, "PubkeyAuthentication no", "KbdInteractiveAuthentication yes")
    text = refused(BoardUnreachable, connect, make_sshd(lines=lines))
    assert "takes no keys" in text and "PubkeyAuthentication yes" in text
