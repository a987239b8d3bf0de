"""Fixtures of the agent's tests."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.board import runtimes
from tests.agent import boards


@functools.cache
def _interpreters() -> dict[str, Path]:
    return {version: boards.bare(path) for version, path in boards.interpreters().items()}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `python` runs under every Python the machine has."""
    if "python" in metafunc.fixturenames:
        found = _interpreters()
        metafunc.parametrize("python", found.values(), ids=found.keys())


@pytest.fixture
def start() -> Iterator[Callable[..., boards.Agent]]:
    """Starts agents and ends them after the test."""
    started = []

    def starter(python: Path, **options: object) -> boards.Agent:
        started.append(boards.Agent(python, **options))
        return started[-1]

    yield starter
    for agent in started:
        agent.close()


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with float, int8, two (inputs) and dynamic .tflite, made by TensorFlow."""
    folder = tmp_path_factory.mktemp("models")
    script = Path(__file__).with_name("make_models.py")
    command = [sys.executable, "-P", "-W", "ignore", str(script), str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder


@pytest.fixture(scope="session")
def runtime_pythons() -> dict[str, Path]:
    """{runtime: interpreter}; tflite-runtime's environment is the user's cached one."""
    names = ("ai-edge-litert", "tflite-runtime", "tensorflow")
    return {name: runtimes.python_for(name) for name in names}
