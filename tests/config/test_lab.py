"""A board's address: the flag, else the lab file, never the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.lab import lab_path
from pipeline.config.target import load
from pipeline.errors import UsageError

BOARD = """# a board
title = "a board"
transport = "ssh"
runtimes = ["ai-edge-litert"]
"""


@pytest.fixture(autouse=True)
def board(home: Path) -> None:
    path = home / "config/targets/shed.toml"
    path.parent.mkdir(parents=True)
    path.write_text(BOARD)


def lab(text: str) -> None:
    lab_path().write_text(text)


def test_the_flag_wins_over_the_lab_file() -> None:
    lab('[boards.shed]\nhost = "lab"\nroot = "/data/x"\nslot = "camera"\nhealth_cmd = "check"\n')
    found = load("shed", flags={}, host="pi@flag")
    assert found.connection["host"] == ("pi@flag", "flag")
    assert (found.root, found.slot, found.health_cmd) == ("/data/x", "camera", "check")
    assert found.on_publish is None
    assert load("shed", flags={}).connection["host"] == ("lab", str(lab_path()))


def test_without_an_address_the_error_says_which_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "from-the-environment")
    monkeypatch.setenv("SECATEUR_HOST", "from-the-environment")
    found = load("shed", flags={})
    assert found.root == "~/.local/share/secateur"
    with pytest.raises(UsageError, match=r"--host(.|\n)*\[boards.shed\] in .*lab.toml"):
        found.check_host()
    load("local", flags={}).check_host()


def test_a_target_may_have_an_address_that_is_everybodys(home: Path) -> None:
    (home / "config/targets/loop.toml").write_text(BOARD + 'host = "localhost"\n')
    assert load("loop", flags={}).require_host() == "localhost"


@pytest.mark.parametrize("host", ["-oProxyCommand=id", "two words", ""])
def test_an_address_that_ssh_would_take_for_something_else_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="host"):
        load("shed", flags={}, host=host)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('hots = "x"', "did you mean 'host'"),
        ('root = "relative"', "root"),
        ('slot = "../up"', "slot"),
    ],
)
def test_a_wrong_board_table_is_refused(line: str, said: str) -> None:
    lab(f"[boards.shed]\n{line}\n")
    with pytest.raises(UsageError, match=said):
        load("shed", flags={})


def test_a_virtual_boards_address_is_its_name() -> None:
    assert load("virtual-arm64", flags={}).require_host() == "virtual-arm64"
    other = load("virtual-arm64", flags={}, host="virtual-arm64-2")
    assert (other.name, other.require_host()) == ("virtual-arm64", "virtual-arm64-2")


def test_a_host_for_this_machine_is_refused() -> None:
    with pytest.raises(UsageError, match="'local' is on this machine"):
        load("local", flags={}, host="pi@raspberrypi")
    lab('[boards.local]\nhost = "x"\n')
    with pytest.raises(UsageError, match=r"boards.local\]: host"):
        load("local", flags={})
