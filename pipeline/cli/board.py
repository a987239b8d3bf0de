"""`secateur board`."""

from __future__ import annotations

import shlex
from typing import Any

import click

from pipeline.cli.options import as_json, emit, table

name = click.argument("name")
cpu = click.option("--cpu", help="cortex-a53, cortex-a72 or cortex-a76; cortex-a72 when new.")


@click.group("board")
def command() -> None:
    """Start, stop, look at or reset a virtual board.

    A virtual board is a real arm64 Linux under QEMU, whose clock counts instructions. It is built
    from Debian's packages once; NAME may be virtual-arm64, virtual-arm64-2 and so on.

    \b
    Example:
      secateur board up virtual-arm64 --cpu cortex-a76
    """


@command.command("up")
@name
@cpu
@as_json
def up(name: str, cpu: str | None, json_: bool) -> None:
    """Start NAME, building it when it is not there yet.

    It goes on from where `down` left it; another --cpu, or a crash before, boots its disk.

    \b
    Example:
      secateur board up virtual-arm64
    """
    from pipeline.board.virtual import up as start

    _show(start(name, cpu), json_)


@command.command("reset")
@name
@cpu
@as_json
def reset(name: str, cpu: str | None, json_: bool) -> None:
    """Throw away all that is on NAME and start it as new.

    \b
    Example:
      secateur board reset virtual-arm64
    """
    from pipeline.board.virtual import reset as anew

    _show(anew(name, cpu), json_)


@command.command("down")
@name
@as_json
def down(name: str, json_: bool) -> None:
    """Save NAME and end it. Nothing of it goes on running.

    \b
    Example:
      secateur board down virtual-arm64
    """
    from pipeline.board.virtual import down as end

    _list([end(name)], json_)


@command.command("status")
@click.argument("name", required=False)
@as_json
def status(name: str | None, json_: bool) -> None:
    """How NAME is, or every virtual board.

    \b
    Example:
      secateur board status
    """
    from pipeline.board.virtual import status as one
    from pipeline.board.virtual import statuses

    _list([one(name)] if name else statuses(), json_)


def _show(machine: Any, json_: bool) -> None:
    from pipeline.board.virtual.shell import login

    words = login(machine.user, machine.port, machine.identity, machine.known_hosts)
    if json_:
        emit({**vars(machine), "ssh": words})
        return
    click.echo(
        f"{machine.name}: {machine.cpu} on {machine.host}:{machine.port}, 1 ns per instruction"
    )
    click.echo(shlex.join(words))


def _list(found: list[Any], json_: bool) -> None:
    if json_:
        emit({"boards": [vars(status) for status in found]})
        return
    rows = [
        [s.name, s.state, s.cpu or "-", str(s.port or "-"), str(s.pid or "-"), _mb(s.disk_bytes)]
        for s in found
    ]
    table(["board", "state", "cpu", "port", "pid", "disk"], rows)


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f} MB" if size_bytes else "-"
