"""A virtual board as a board: a session, and power that goes at the worst moments."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from pipeline.bench.files import bench_files
from pipeline.bench.settings import SessionSettings
from pipeline.board import ssh
from pipeline.board.board import closing
from pipeline.board.release import Release, release
from pipeline.board.remote import RemoteBoard
from pipeline.board.shell import Shell
from pipeline.board.slots import Hooks, Slot
from pipeline.board.ssh import SSHTransport
from pipeline.board.virtual import VirtualMachine, reset, status, up
from pipeline.board.virtual.machine import Machine
from pipeline.errors import BoardUnreachable
from tests.agent import boards
from tests.bench.models import write_dense

pytestmark = pytest.mark.virtual
NAME = "virtual-arm64"
ROOT = "/home/board/secateur"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dense(tmp_path_factory.mktemp("models") / "dense.tflite", width=64)


def line(vm: VirtualMachine) -> SSHTransport:
    return ssh.connect(
        vm.host, user=vm.user, port=vm.port, identity=vm.identity, known_hosts=vm.known_hosts,
        config="none",
    )  # fmt: skip


def board(vm: VirtualMachine) -> RemoteBoard:
    return RemoteBoard(line(vm), ROOT, name=NAME)


def slot(vm: VirtualMachine) -> Slot:
    return Slot(Shell(line(vm), NAME), PurePosixPath(ROOT), "app")


def power_cut(when: Callable[[], bool] = lambda: True) -> threading.Thread:
    """End QEMU at once when something holds; nothing that was not synced is on its disk."""

    def cut() -> None:
        assert boards.eventually(when, 60)
        pid = status(NAME).pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        while Machine(NAME).pid():
            time.sleep(0.01)

    thread = threading.Thread(target=cut)
    thread.start()
    return thread


@pytest.fixture
def vm(virtual_board: VirtualMachine) -> Iterator[VirtualMachine]:
    yield virtual_board
    if status(NAME).state != "running":
        reset(NAME)


def made(folder: Path, text: str, size: int) -> Release:
    path = folder / f"{text}.bin"
    path.write_bytes(text.encode() + os.urandom(size))
    return release({"model.bin": path}, {"name": text})


def test_a_session_counts_the_same_instructions_twice(
    vm: VirtualMachine, model: Path, tmp_path: Path
) -> None:
    settings = SessionSettings(NAME, processes=2, warmup_ms=5, window_ms=20, emulated=True)
    counts = []
    for number in range(2):
        with closing(board(vm)) as there:
            assert there.choose(["ai-edge-litert", "tflite-runtime"]) == "ai-edge-litert"
            record = bench_files([model], settings, there, results=tmp_path / str(number)).record
        row = record.row("latency_p50", "dense")
        assert row is not None
        assert (row.unit, record.machine.cpu) == ("instructions", "Cortex-A72")
        counts.append(row.value)
    assert abs(counts[0] / counts[1] - 1) < 0.005


def test_a_power_cut_in_a_measurement(vm: VirtualMachine, model: Path) -> None:
    with closing(board(vm)) as there:
        spec = boards.spec("measure", there.send(model), runtime="ai-edge-litert")
        spec.update(window_ns=10**12, max_iterations=10**9)
        seen: list[str] = []
        thread = power_cut(lambda: "facts" in seen)
        with pytest.raises(BoardUnreachable):
            there.run(spec, timeout_s=120, on_event=lambda event: seen.append(event["event"]))
        thread.join()
    with closing(board(up(NAME))) as again:
        short = boards.spec("measure", again.send(model), runtime="ai-edge-litert")
        assert [e for e in again.run(short, timeout_s=120) if e["event"] == "process"]


def test_a_power_cut_in_a_push_and_right_after_a_publish(
    vm: VirtualMachine, tmp_path: Path
) -> None:
    first, second = made(tmp_path, "first", 1000), made(tmp_path, "second", 8_000_000)
    here = slot(vm)
    here.push(first)
    here.publish(None, Hooks())
    power_cut().join()  # what was published a moment ago is on the disk
    here = slot(up(NAME))
    assert [(r.digest, r.state) for r in here.releases()] == [(first.digest, "current")]
    thread = power_cut(lambda: part_of(second) > 2_000_000)
    with pytest.raises(BoardUnreachable):
        here.push(second)
    thread.join()
    here = slot(up(NAME))
    assert [r.digest for r in here.releases()] == [first.digest]
    here.push(second)
    assert here.publish(None, Hooks(health_cmd="test -s current/model.bin")).digest == second.digest


def part_of(made: Release) -> int:
    """Bytes of a push that have come so far, seen over a line of its own."""
    transport = line(up(NAME))
    try:
        script = 'cat "$1"/.push.*/.model.bin.*.part 2> /dev/null | wc -c'
        return int(transport.exec(["sh", "-c", script, "sh", f"{ROOT}/app"], timeout_s=20).stdout)
    finally:
        transport.close()
