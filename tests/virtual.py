"""The virtual board, for every test that wants a real Linux to talk to.

One image for all sessions, in the user's own cache (it is named by the digest of its build); the
machines themselves live in a folder of this session and end with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.board.virtual import VirtualMachine, up
from pipeline.board.virtual.host import require
from pipeline.board.virtual.image import home
from pipeline.board.virtual.machine import Machine
from pipeline.errors import Refused

IMAGES = home() / "images"  # read before the tests' own SECATEUR_HOME is set


@pytest.fixture(scope="session")
def virtual_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A SECATEUR_HOME whose machines end with the session; skips where QEMU is missing."""
    try:
        require()
    except Refused as problem:
        pytest.skip(f"NO VIRTUAL BOARD: {problem.what}; {problem.fix}")
    folder = tmp_path_factory.mktemp("virtual")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECATEUR_HOME", str(folder))
        IMAGES.mkdir(parents=True, exist_ok=True)
        home().mkdir(parents=True)
        (home() / "images").symlink_to(IMAGES)
        machines = home() / "machines"
        yield folder
        patch.setenv("SECATEUR_HOME", str(folder))
        for machine in [Machine(path.name) for path in machines.glob("[!.]*")]:
            machine.stop()
            machine.forget()


@pytest.fixture
def virtual_board(virtual_home: Path, monkeypatch: pytest.MonkeyPatch) -> VirtualMachine:
    """`virtual-arm64`, running; SECATEUR_HOME is the one in which it is known."""
    monkeypatch.setenv("SECATEUR_HOME", str(virtual_home))
    return up("virtual-arm64")
