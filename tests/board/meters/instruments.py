"""Stub instruments, one process each, ended with the test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.sensors import MeterConfig

Start = Callable[..., dict[str, Any]]


@pytest.fixture
def instrument() -> Iterator[Start]:
    """`instrument("pty", "--mute", "3")` starts one and gives its `meter` table."""
    started = []

    def start(line: str, *options: str, **settings: Any) -> dict[str, Any]:
        command = [sys.executable, str(Path(__file__).with_name("instrument.py")), line, *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        port = process.stdout.readline().strip()
        table = {"kind": "scpi", "port": port, "scope": "board input", "gain": 0.002,
                 "offset_w": 0.001, "timeout_s": 5.0, **settings}  # fmt: skip
        return MeterConfig(**table).model_dump(exclude_none=True)

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
