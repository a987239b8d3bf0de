"""`secateur config`: where the board is, and which layer says so."""

from __future__ import annotations

import json
import sys

import pytest

from pipeline import cli
from pipeline.config.lab import lab_path


def config(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    monkeypatch.setattr(sys, "argv", ["secateur", "config", *words])
    assert cli._exit_code() == 0
    return capsys.readouterr().out


def test_the_boards_address_has_its_origin_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lab_path().parent.mkdir(parents=True)
    lab_path().write_text('[boards.rpi5]\nroot = "/data/secateur"\n')
    text = config(monkeypatch, capsys, "rpi5", "--host", "pi@raspberrypi")
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
    assert lines["host"] == ["pi@raspberrypi", "flag"]
    assert lines["root"] == ["/data/secateur", str(lab_path())]
    assert lines["slot"][-1] == "default"
    assert lines["health_cmd"] == ["-", "not", "given"]
    assert "host" not in config(monkeypatch, capsys, "local")


def test_a_board_without_an_address_can_be_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.loads(config(monkeypatch, capsys, "rpi5", "--json"))["board"]
    assert told["host"] == {"value": None, "from": "not given"}
