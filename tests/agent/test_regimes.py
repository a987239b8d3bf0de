"""The regimes: paced counts waiting, sustained waits for a steady temperature."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.agent import soak
from pipeline.agent.loop import Loop


class Busy:
    """A model that takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def set_tensor(self, index: int, value: object) -> None:
        pass

    def invoke(self) -> None:
        end = time.perf_counter() + self.seconds
        while time.perf_counter() < end:
            pass


POOL = [[0]]


def test_a_request_that_finds_the_model_busy_waits_and_its_waiting_counts() -> None:
    done = Loop(Busy(0.004), [0]).paced(POOL, 2_000_000, 10)
    assert min(done.service) >= 4_000_000
    # each one finishes 2 ms later behind its arrival than the one before
    waits = [latency - service for latency, service in zip(done.latency, done.service, strict=True)]
    assert waits[9] >= 9 * 2_000_000 - 1_000_000
    assert waits == sorted(waits)


def test_requests_come_at_their_rate() -> None:
    begin = time.perf_counter_ns()
    done = Loop(Busy(0), [0]).paced(POOL, 5_000_000, 20)
    assert time.perf_counter_ns() - begin >= 20 * 5_000_000
    assert len(done.latency) == len(done.service) == 20
    assert all(latency >= service for latency, service in zip(*done, strict=True))


class Told:
    """A channel that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def send(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))


def soaked(root: Path, monkeypatch: pytest.MonkeyPatch, limit_s: float = 2.0) -> dict[str, Any]:
    monkeypatch.setattr(soak, "EVERY_S", 0.02)
    monkeypatch.setattr(soak, "STEADY_S", 0.3)
    task = {"root": str(root), "soak_limit_s": limit_s}
    return soak.until_steady(Loop(Busy(0.001), [0]), POOL, task, Told())


def zone(root: Path, milli: int) -> Path:
    path = root / "sys/class/thermal/thermal_zone0/temp"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{milli}\n")
    return path


def test_a_steady_board_is_measured_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone(tmp_path, 61_000)
    found = soaked(tmp_path, monkeypatch, limit_s=60)
    assert found["steady"] is True
    assert found["seconds"] >= 0.3
    assert found["last_mc"] == {"/sys/class/thermal/thermal_zone0/temp": 61_000}


def test_a_board_that_keeps_warming_is_told_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zone(tmp_path, 40_000)
    readings = iter(range(40_000, 10_000_000, 2_000))
    read = soak.temperatures

    def warming(root: str) -> dict[str, int]:
        path.write_text(f"{next(readings)}\n")
        return read(root)

    monkeypatch.setattr(soak, "temperatures", warming)
    found = soaked(tmp_path, monkeypatch, limit_s=0.8)
    assert found["steady"] is False
    assert found["seconds"] >= 0.8


def test_without_a_thermometer_nobody_can_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = soaked(tmp_path, monkeypatch)
    assert found["steady"] is None
    assert found["seconds"] >= 0.3
