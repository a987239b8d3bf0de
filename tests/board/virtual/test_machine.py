"""A virtual board's life: it is a real arm64 Linux, and nothing of it is lost or left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.board.virtual import VirtualMachine, api, down, reset, shell, status, statuses, up
from pipeline.board.virtual.image import home
from pipeline.board.virtual.machine import Machine
from pipeline.board.virtual.qmp import Qmp
from pipeline.errors import BoardUnreachable, Refused, UsageError
from tests import tiny

pytestmark = pytest.mark.virtual
NAME = "virtual-arm64"


def ssh(board: VirtualMachine, words: str, user: str = "board") -> str:
    login = shell.login(user, board.port, board.identity, board.known_hosts)
    done = subprocess.run([*login, words], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def processes_in(folder: Path) -> list[int]:
    """Processes that have a file below a folder open."""
    found = []
    for process in psutil.process_iter():
        try:
            links = [str(p.readlink()) for p in Path(f"/proc/{process.pid}/fd").iterdir()]
        except OSError:
            continue
        if any(link.startswith(str(folder)) for link in links):
            found.append(process.pid)
    return found


@pytest.fixture
def killed(virtual_board: VirtualMachine) -> Iterator[VirtualMachine]:
    """The board with a synced and an unsynced file, after its QEMU was killed."""
    ssh(virtual_board, "echo kept > kept && sync && echo lost > lost")
    pid = status(NAME).pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    while Machine(NAME).pid():  # its threads may outlive the one that is named by the number
        time.sleep(0.01)
    yield virtual_board
    reset(NAME)


def test_it_is_a_real_arm64_linux(virtual_board: VirtualMachine) -> None:
    assert ssh(virtual_board, "uname -m; whoami") == "aarch64\nboard"
    assert ssh(virtual_board, "id -u", user="root") == "0"
    assert ssh(virtual_board, "python3 -c 'import ssl, ctypes, sqlite3; print(1)'") == "1"
    assert "0xd08" in ssh(virtual_board, "grep part /proc/cpuinfo"), "no Cortex-A72"


FOREIGN = "find / -xdev ! -user root ! -path '/home/*' ! -path '/tmp/*'"


def test_its_packages_own_nothing_of_the_builder(virtual_board: VirtualMachine) -> None:
    assert ssh(virtual_board, FOREIGN, user="root") == ""
    assert ssh(virtual_board, "stat -c %U /home/board/.ssh") == "board"


def test_its_python_was_compiled_beforehand(virtual_board: VirtualMachine) -> None:
    find = "find /usr/lib/python3.* -name 'json' -path '*lib/python3*' | head -1"
    assert ssh(virtual_board, f"ls $({find})/__pycache__").count("__init__") == 1


def test_up_again_is_the_same_machine(virtual_board: VirtualMachine) -> None:
    assert up(NAME) == virtual_board
    assert up(NAME, virtual_board.cpu) == virtual_board


def test_its_date_is_near_ours(virtual_board: VirtualMachine) -> None:
    down(NAME)
    assert abs(int(ssh(up(NAME), "date +%s")) - time.time()) < 600


def test_it_reaches_nothing(virtual_board: VirtualMachine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('10.0.2.2', {port}), 3)"
        assert "Error" in ssh(virtual_board, f'python3 -c "{code}" 2>&1 || true')


def test_down_keeps_all_and_leaves_no_process(virtual_board: VirtualMachine) -> None:
    ssh(virtual_board, "echo unsynced > note; nohup sleep 1000 > /dev/null 2>&1 & echo started")
    pid = status(NAME).pid
    assert pid and processes_in(home() / "machines") == [pid]
    assert down(NAME).state == "down"
    assert not lives(pid)
    assert processes_in(home() / "machines") == []
    assert down(NAME).state == "down", "a second time does nothing"
    again = up(NAME)
    assert ssh(again, "cat note; pgrep -c sleep") == "unsynced\n1"


def test_reset_throws_the_disk_away(virtual_board: VirtualMachine) -> None:
    ssh(virtual_board, "echo mine > note && sync")
    again = reset(NAME)
    assert ssh(again, "ls") == ""
    assert status(NAME).state == "running"


def test_a_killed_qemu_is_told_apart_and_up_boots_its_disk(
    killed: VirtualMachine, capfd: pytest.CaptureFixture[str]
) -> None:
    assert status(NAME).state == "died"
    assert [s.state for s in statuses() if s.name == NAME] == ["died"]
    again = up(NAME)
    assert "ended without being asked" in capfd.readouterr().err
    assert ssh(again, "cat kept") == "kept"
    assert status(NAME).state == "running"


def test_down_after_a_crash_is_down(killed: VirtualMachine) -> None:
    assert down(NAME).state == "down"


def test_a_guest_that_switches_itself_off_is_noticed(virtual_board: VirtualMachine) -> None:
    ssh(virtual_board, "nohup sh -c 'sleep 0.2; poweroff -f' > /dev/null 2>&1 &", user="root")
    deadline = time.monotonic() + 60
    while Machine(NAME).pid() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert status(NAME).state == "died"
    reset(NAME)


def test_a_rebooting_guest_comes_back_on_the_same_port(virtual_board: VirtualMachine) -> None:
    boot = ssh(virtual_board, "cat /proc/sys/kernel/random/boot_id")
    ssh(virtual_board, "nohup sh -c 'sleep 0.2; reboot -f' > /dev/null 2>&1 &", user="root")
    time.sleep(1)
    assert shell.wait_for_sshd(virtual_board.port, 120, Machine(NAME).pid)
    assert ssh(virtual_board, "cat /proc/sys/kernel/random/boot_id") != boot


def test_a_board_whose_cable_is_out_is_unreachable(
    virtual_board: VirtualMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Machine(NAME).qmp() as qmp:
        qmp.command("set_link", name="n0", up=False)
    silent = r"(?s)does not answer.*board reset virtual-arm64"
    with monkeypatch.context() as patch, pytest.raises(BoardUnreachable, match=silent):
        patch.setattr(api, "ANSWER_S", 1.0)
        up(NAME)
    with Machine(NAME).qmp() as qmp:
        qmp.command("set_link", name="n0", up=True)
    assert up(NAME) == virtual_board


def test_another_cpu_needs_a_down_and_keeps_the_disk(virtual_board: VirtualMachine) -> None:
    with pytest.raises(Refused, match=r"(?s)runs as cortex-a72.*board down virtual-arm64"):
        up(NAME, "cortex-a53")
    ssh(virtual_board, "echo mine > note && sync")
    down(NAME)
    other = up(NAME, "cortex-a53")
    assert ssh(other, "cat note; grep part /proc/cpuinfo").split() == [
        "mine", "CPU", "part", ":", "0xd03"
    ]  # fmt: skip
    assert status(NAME).cpu == "cortex-a53"
    assert reset(NAME, "cortex-a72").cpu == "cortex-a72"


def test_wrong_names_are_refused(virtual_board: VirtualMachine) -> None:
    with pytest.raises(UsageError, match="cortex-a53, cortex-a72, cortex-a76"):
        up(NAME, "m4")
    with pytest.raises(UsageError, match="no name"):
        up("../mine")
    with pytest.raises(BoardUnreachable, match="set_links"), Machine(NAME).qmp() as qmp:
        qmp.command("set_links")
    with pytest.raises(BoardUnreachable):
        Qmp(home() / "nowhere.sock")


def test_three_at_once_and_two_ups_of_one_are_one_machine(virtual_board: VirtualMachine) -> None:
    names = ["virtual-arm64-2", "virtual-arm64-2", "virtual-arm64-3"]
    found: list[VirtualMachine] = []
    threads = [threading.Thread(target=lambda n=n: found.append(up(n))) for n in names]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    boards = {(board.name, board.port) for board in [*found, virtual_board]}
    assert len(boards) == 3
    assert len({port for _, port in boards}) == 3
    assert len(processes_in(home() / "machines")) == 3
    for name in set(names):
        down(name)
    assert len(processes_in(home() / "machines")) == 1


def cut_off(words: list[str], ready: Callable[[], bool]) -> None:
    """Start a command and kill it with SIGKILL as soon as something is so."""
    child = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while not ready():
        assert child.poll() is None, "it ended before it could be cut off"
        time.sleep(0.001)
    child.kill()
    child.wait()


def test_an_up_that_was_killed_half_way_leaves_nothing_wrong(virtual_board: VirtualMachine) -> None:
    name = "virtual-arm64-4"
    cut_off(tiny.command("board", "up", name), lambda: Machine(name).pid() is not None)
    assert ssh(up(name), "uname -m") == "aarch64"
    assert len(processes_in(Machine(name).folder)) == 1
    down(name)
    assert processes_in(Machine(name).folder) == []


def test_up_outlives_the_process_that_called_it(virtual_board: VirtualMachine) -> None:
    subprocess.run(tiny.command("board", "down", NAME), check=True, capture_output=True)
    subprocess.run(tiny.command("board", "up", NAME), check=True, capture_output=True)
    assert ssh(up(NAME), "uname -m") == "aarch64"


def test_the_command_line_prints_the_ssh_command(virtual_board: VirtualMachine) -> None:
    done = subprocess.run(
        tiny.command("board", "up", NAME), check=True, capture_output=True, text=True
    )
    line = done.stdout.splitlines()[1]
    shown = subprocess.run(["sh", "-c", f"{line} uname -m"], capture_output=True, text=True)
    assert shown.stdout == "aarch64\n", (done.stdout, shown.stderr, sys.version)


COUNT = """
import time
for loops in (1000, 100000):
    start, n = time.perf_counter_ns(), 0
    for i in range(loops): n += i
    spent = time.perf_counter_ns() - start
print(spent)
"""


def test_its_clock_counts_instructions_whatever_this_machine_does(
    virtual_board: VirtualMachine,
) -> None:
    command = f"PYTHONHASHSEED=0 python3 -c '{COUNT}'"
    alone = int(ssh(virtual_board, command))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        crowded = int(ssh(virtual_board, command))
    finally:
        for child in busy:
            child.kill()
            child.wait()
    assert abs(crowded / alone - 1) < 0.01
    assert 10 < alone / 100_000 < 10_000, "nanoseconds are not instructions"
