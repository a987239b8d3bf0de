"""The same file gives the same int8 outputs here and on arm64, where the kernels are one group."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.board import ssh
from pipeline.board.board import Board, LocalBoard, closing
from pipeline.board.remote import RemoteBoard
from pipeline.board.virtual import VirtualMachine
from tests.agent import boards
from tests.agent.conftest import models  # noqa: F401 (a fixture)

pytestmark = pytest.mark.virtual


def outputs(board: Board, model: Path, samples: Path, to: Path) -> np.ndarray:
    spec = boards.spec("evaluate", board.send(model), runtime="ai-edge-litert")
    spec["arms"][0]["samples"] = board.send(samples)
    spec["evaluate"] = {"outputs": board.scratch()}
    event = next(e for e in board.run(spec, timeout_s=300) if e["event"] == "outputs")
    with np.load(board.fetch(event["path"], to)) as file:
        return file[file.files[0]]


def test_int8_outputs_are_equal_bit_for_bit(
    virtual_board: VirtualMachine,
    models: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    images = np.random.default_rng(0).normal(size=(64, *shape(models))).astype(np.float32)
    np.save(tmp_path / "x.npy", images)
    vm = virtual_board
    line = ssh.connect(
        vm.host, user=vm.user, port=vm.port, identity=vm.identity, known_hosts=vm.known_hosts,
        config="none",
    )  # fmt: skip
    places: list[Board] = [
        LocalBoard(),
        RemoteBoard(line, "/home/board/secateur", name="equal", silence_s=150),
    ]
    found = []
    for number, place in enumerate(places):
        with closing(place) as board:
            to = tmp_path / f"{number}.npz"
            found.append(outputs(board, models / "int8.tflite", tmp_path / "x.npy", to))
    assert len(np.unique(found[0])) > 5
    np.testing.assert_array_equal(found[0], found[1])


def shape(folder: Path) -> list[int]:
    from pipeline.convert.audit import audit

    return audit(folder / "int8.tflite").inputs[0].shape[1:]
