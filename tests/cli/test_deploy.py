"""push, publish, releases and rollback as a user types them, over a real sshd."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline import cli
from pipeline.board import open as opening
from pipeline.board import ssh
from pipeline.paths import config_dir
from tests.board.ssh.conftest import make_proxy, make_sshd, user_key
from tests.board.ssh.servers import SFTP, USER, Sshd

__all__ = ["make_proxy", "make_sshd", "user_key"]
BOARD = ("--target", "loopback-ssh")


@pytest.fixture
def secateur(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command line in this process: (exit code, stdout, stderr)."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["secateur", *words, *BOARD])
        code = cli._exit_code()
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def server(make_sshd: Any, user_key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sshd:
    """The sshd behind `loopback-ssh`, as the lab file has it."""
    server: Sshd = make_sshd(lines=(SFTP, f"SetEnv HOME={tmp_path}"))

    def connect(_: object) -> ssh.SSHTransport:
        return ssh.connect("127.0.0.1", user=USER, port=server.port, identity=user_key,
                           known_hosts=server.known_hosts, config="none")  # fmt: skip

    monkeypatch.setitem(opening.TRANSPORTS, "ssh", connect)
    config_dir().mkdir(parents=True)
    lab = f'[boards.loopback-ssh]\nroot = "{tmp_path}/root"\nhealth_cmd = "test ! -e ../../ill"\n'
    (config_dir() / "lab.toml").write_text(lab + "keep_releases = 2\n")
    return server


def pushed(secateur: Any, folder: Path, text: str) -> str:
    path = folder / "labels.txt"
    path.write_text(text)
    code, out, err = secateur("push", str(path), "--json")
    assert code == 0 and "not current yet" not in out, err
    return str(json.loads(out)["release"])


def test_from_the_first_push_to_a_rollback(secateur: Any, server: Sshd, tmp_path: Path) -> None:
    digests = []
    for number in range(4):
        digests.append(pushed(secateur, tmp_path, f"release {number}"))
        code, out, err = secateur("publish")
        assert code == 0 and out.startswith(digests[-1][:12]), err
        assert "not health-checked: labels.txt is no .tflite file" in err
    code, out, _ = secateur("releases", "--json")
    states = {row["release"]: row["state"] for row in json.loads(out)["releases"]}
    assert states == {digests[3]: "current", digests[2]: "previous"}
    code, out, _ = secateur("rollback")
    assert code == 0 and out.startswith(digests[2][:12])


def test_what_fails_says_what_state_it_leaves(secateur: Any, server: Sshd, tmp_path: Path) -> None:
    first = pushed(secateur, tmp_path, "first")
    assert secateur("publish")[0] == 0
    pushed(secateur, tmp_path, "second")
    (tmp_path / "ill").touch()
    code, out, err = secateur("publish")
    assert (code, out) == (4, "")
    assert "health_cmd failed with exit code 1" in err
    assert "what was current on the board is so still" in err and "fix: " in err
    server.stop()
    code, out, err = secateur("publish")
    assert (code, out) == (3, "")
    assert "nothing was changed there" in err and "fix: " in err
    server.start()
    (tmp_path / "ill").unlink()
    code, out, _ = secateur("releases", "--json")
    assert {r["state"]: r["release"] for r in json.loads(out)["releases"]}["current"] == first
    assert secateur("publish")[0] == 0


def test_another_host_key_changes_nothing_and_says_so(
    secateur: Any, server: Sshd, user_key: Path, tmp_path: Path
) -> None:
    server.known_hosts.write_text(server.line(user_key))
    (tmp_path / "labels.txt").touch()
    code, out, err = secateur("push", str(tmp_path / "labels.txt"))
    assert (code, out) == (3, "")
    assert "its host key is not the one of" in err and "nothing was changed there" in err
