"""Start, stop, look at and reset virtual boards, each by its name.

A board keeps its disk over `down` and `up`, as a real one would: `down` saves it with its memory
and `up` goes on from there. After a crash `up` boots what is on the disk. `reset` throws it away.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.board.virtual import qemu, shell, snapshot
from pipeline.board.virtual.image import Image, home, image
from pipeline.board.virtual.lock import locked
from pipeline.board.virtual.machine import Machine, State
from pipeline.board.virtual.rootfs import USER
from pipeline.errors import BoardUnreachable, Refused, UsageError
from pipeline.progress import say, working

DEFAULT_NAME, DEFAULT_CPU = "virtual-arm64", "cortex-a72"
ANSWER_S, RESUME_S, BOOT_S = 20.0, 60.0, 180.0


@dataclass(frozen=True)
class VirtualMachine:
    """A running machine and all that ssh needs to reach it. `root` is let in by the same key."""

    name: str
    cpu: str
    port: int
    identity: Path
    known_hosts: Path
    host: str = shell.HOST
    user: str = USER


@dataclass(frozen=True)
class Status:
    """A machine as it is. `died`: its QEMU ended without being asked."""

    name: str
    state: Literal["running", "down", "died", "none"]
    cpu: str | None = None
    port: int | None = None
    pid: int | None = None
    disk_bytes: int = 0


def up(name: str = DEFAULT_NAME, cpu: str | None = None) -> VirtualMachine:
    """The machine of this name, running and answering; built and started as far as needed.

    `cpu`: of `qemu.CPUS`; None keeps what the machine has, or takes a cortex-a72.
    Raises Refused, UsageError or BoardUnreachable.
    """
    if cpu not in (None, *qemu.CPUS):
        raise UsageError(f"no cpu {cpu!r}", where=name, fix=f"use one of {', '.join(qemu.CPUS)}")
    machine = Machine(name)
    base = image()
    with locked(machine.lock, f"{name}: waiting for another command on it"):
        return _up(machine, base, cpu)


def down(name: str = DEFAULT_NAME) -> Status:
    """Save the machine and end it; nothing of it goes on running. A second time does nothing."""
    machine = Machine(name)
    with locked(machine.lock, f"{name}: waiting for another command on it"):
        state = machine.state
        if state and machine.pid():
            with working(f"{name}: saving and stopping"):
                state.saved = _saved(machine)
                machine.stop()
            machine.keep(_ended(state))
        elif state and state.started:
            machine.keep(_ended(state))
    return status(name)


def status(name: str = DEFAULT_NAME) -> Status:
    """How the machine is, without touching it."""
    machine = Machine(name)
    state = machine.state
    if state is None:
        return Status(name, "none")
    size = machine.disk.stat().st_blocks * 512 if machine.disk.exists() else 0
    if pid := machine.pid():
        return Status(name, "running", state.cpu, state.port, pid, size)
    return Status(name, "died" if state.started else "down", state.cpu, disk_bytes=size)


def statuses() -> list[Status]:
    """Every machine there is."""
    folders = sorted((home() / "machines").glob("[!.]*"))
    return [status(folder.name) for folder in folders]


def reset(name: str = DEFAULT_NAME, cpu: str | None = None) -> VirtualMachine:
    """End the machine, throw its disk away and start it anew. Raises as `up` does."""
    machine = Machine(name)
    with locked(machine.lock, f"{name}: waiting for another command on it"):
        machine.stop()
        old = machine.state
        machine.forget()
    return up(name, cpu or (old.cpu if old else None))


def _up(machine: Machine, base: Image, cpu: str | None) -> VirtualMachine:
    state = machine.state
    if state and state.port and machine.pid():
        return _running(machine, base, state, cpu)
    machine.stop()  # one whose start was cut off
    if state and state.started:
        say(f"{machine.name}: its QEMU ended without being asked; booting what is on its disk")
    if state is None or state.image != base.key or not machine.disk.exists():
        if state and state.image != base.key:
            say(f"{machine.name}: the image was rebuilt since; starting on a new disk")
        state = _fresh(machine, base, cpu or (state.cpu if state else DEFAULT_CPU))
    return _started(machine, base, _fitted(state, cpu))


def _running(machine: Machine, base: Image, state: State, cpu: str | None) -> VirtualMachine:
    if cpu not in (None, state.cpu):
        fix = f"`secateur board down {machine.name}` first"
        raise Refused(f"it runs as {state.cpu}, not as {cpu}", where=machine.name, fix=fix)
    if state.image != base.key:
        fix = f"`secateur board reset {machine.name}`"
        raise Refused("it runs from an older image", where=machine.name, fix=fix)
    if not shell.wait_for_sshd(state.port, ANSWER_S, machine.pid):
        raise _silent(machine, "its sshd does not answer")
    return _shown(machine, base, state)


def _fresh(machine: Machine, base: Image, cpu: str) -> State:
    machine.forget()
    snapshot.copy(base, cpu, machine.disk)
    return State(base.key, cpu, qemu.version(), saved=True)


def _fitted(state: State, cpu: str | None) -> State:
    """A snapshot goes on only with the CPU and the QEMU it was made with; else the disk boots."""
    wanted = State(state.image, cpu or state.cpu, qemu.version(), saved=False)
    wanted.saved = state.saved and (wanted.cpu, wanted.qemu) == (state.cpu, state.qemu)
    return wanted


def _started(machine: Machine, base: Image, state: State) -> VirtualMachine:
    timeout_s = RESUME_S if state.saved else BOOT_S
    try:
        with working(f"{machine.name}: starting {state.cpu}"):
            state = machine.start(base, state)
            if not shell.wait_for_sshd(state.port, timeout_s, machine.pid):
                raise _silent(machine, f"no sshd within {timeout_s:g} s of its start")
            _set_date(machine, base, state)
    except BaseException:
        machine.stop()
        raise
    return _shown(machine, base, state)


def _set_date(machine: Machine, base: Image, state: State) -> None:
    """Bring the guest's date near ours, for the times of its files; nothing else may use it.

    Its clock stood still while it was saved, and with -icount it does not follow ours.
    """
    words = f"date -u -s @{time.time():.0f}"
    shell.as_root(state.port, base.identity, machine.known_hosts, words)


def _saved(machine: Machine) -> bool:
    try:
        machine.save()
    except BoardUnreachable as problem:
        say(f"{machine.name}: not saved, it will boot from its disk next time ({problem.what})")
        return False
    return True


def _ended(state: State) -> State:
    state.started, state.port = False, 0
    return state


def _shown(machine: Machine, base: Image, state: State) -> VirtualMachine:
    known_hosts, port = machine.known_hosts, state.port
    return VirtualMachine(machine.name, state.cpu, port, base.identity, known_hosts)


def _silent(machine: Machine, reason: str) -> BoardUnreachable:
    fix = f"`secateur board reset {machine.name}`; what it said: {machine.folder / qemu.CONSOLE}"
    return BoardUnreachable(reason, where=machine.name, fix=fix)
