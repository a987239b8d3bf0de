"""A release runs in its place, in a runtime of the board, before it becomes current."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest

from pipeline.board.health import Health
from pipeline.board.local import Local
from pipeline.board.pair import PAIR, pair
from pipeline.board.release import Release, release
from pipeline.board.shell import Shell
from pipeline.board.slots import Hooks, Slot
from pipeline.errors import Refused
from tests.bench.models import write_dense
from tests.board.test_slots import now

RUNTIME = "ai-edge-litert"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dense(tmp_path_factory.mktemp("models") / "dense.tflite", width=16)


@pytest.fixture
def checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slot:
    """A slot on a board whose Python has the runtime."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return slot_of(tmp_path)


def slot_of(folder: Path) -> Slot:
    shell, root = Shell(Local(), "this board"), PurePosixPath(folder / "root")
    return Slot(shell, root, "app", check=Health(shell, root / ".work", [RUNTIME]))


def of(model: Path, stored: Path | None, about: dict[str, Any]) -> Release:
    files = {"model.tflite": model} | ({PAIR: stored} if stored else {})
    return release(files, {"name": "m", "model": {"file": "model.tflite"}, "check": about})


def test_a_release_that_answers_as_here_becomes_current(checked: Slot, model: Path) -> None:
    stored, about = pair(model, RUNTIME)
    assert pair(model, RUNTIME) == (stored, about), "the same again, byte for byte"
    one = of(model, stored, about)
    checked.push(one)
    done = checked.publish(None, Hooks())
    assert done.health.startswith(f"runs in {RUNTIME} ")
    assert done.digest == one.digest == now(checked)


def change_output(values: dict[str, Any]) -> None:
    values["out_0"] = values["out_0"] + np.float32(0.5)


def change_shape(values: dict[str, Any]) -> None:
    values["out_0"] = values["out_0"][:1]


@pytest.mark.parametrize(
    ("change", "words"),
    [(change_output, "answers otherwise than here"), (change_shape, "not as it was stored")],
)
def test_a_release_that_answers_otherwise_is_not_seen(
    checked: Slot, model: Path, tmp_path: Path, change: Callable[[Any], None], words: str
) -> None:
    stored, about = pair(model, RUNTIME)
    assert stored
    good = of(model, stored, about)
    checked.push(good)
    checked.publish(None, Hooks())
    with np.load(stored) as archive:
        values = dict(archive)
    change(values)
    np.savez(tmp_path / "other.npz", **values)
    checked.push(of(model, tmp_path / "other.npz", about))
    with pytest.raises(Refused, match=f"{words}.*what was current on the board is so still"):
        checked.publish(None, Hooks())
    assert now(checked) == good.digest


def test_a_file_that_does_not_load_there_is_not_seen(
    checked: Slot, model: Path, tmp_path: Path
) -> None:
    stored, about = pair(model, RUNTIME)
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(model.read_bytes()[:600])
    checked.push(of(broken, stored, about))
    with pytest.raises(Refused, match="does not run there"):
        checked.publish(None, Hooks())
    assert now(checked) == ""


def test_what_cannot_be_checked_says_so(
    checked: Slot, tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"no model at all")
    stored, about = pair(broken, RUNTIME)
    assert stored is None and about["none"]
    checked.push(of(broken, None, about))
    assert "not health-checked: " + about["none"] == checked.publish(None, Hooks()).health
    monkeypatch.setattr("pipeline.board.interpreter.NAMES", ())
    checked.push(of(model, *pair(model, RUNTIME)))
    health = checked.publish(None, Hooks()).health
    assert health.startswith("not health-checked: the board has no runtime")


def test_a_board_whose_runtime_dies_is_told_by_its_signal(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A site on the board whose runtime aborts, as one built for another CPU does."""
    slot = slot_of(tmp_path)
    package = tmp_path / "root/.work/sites" / f"{RUNTIME}-0123/ai_edge_litert"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "interpreter.py").write_text("import os\nos.kill(os.getpid(), 4)\n")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setattr("pipeline.board.health.interpreters", without_packages)
    slot.push(of(model, *pair(model, RUNTIME)))
    with pytest.raises(Refused, match="SIGILL"):
        slot.publish(None, Hooks())


def without_packages(shell: Shell, *also: str) -> list[Any]:
    from dataclasses import replace

    from pipeline.board.interpreter import interpreters

    return [replace(one, packages={}) for one in interpreters(shell, *also)][:1]


def test_the_pair_is_small_and_lists_what_the_manifest_says(model: Path) -> None:
    stored, about = pair(model, RUNTIME)
    assert stored and stored.stat().st_size < 5000
    assert json.loads(of(model, stored, about).manifest)["about"]["check"]["file"] == PAIR
