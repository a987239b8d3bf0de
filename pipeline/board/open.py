"""From a target to the board it names."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from pipeline.board import session
from pipeline.board.board import Board, LocalBoard, closing
from pipeline.board.health import Health
from pipeline.board.leaving import left
from pipeline.board.local import Local
from pipeline.board.remote import WORK, RemoteBoard, folder_on
from pipeline.board.shell import Shell
from pipeline.board.slots import Hooks, Keep, Slot
from pipeline.board.transport import Transport
from pipeline.config.target import Target

SLOW_CLOCK = 10


@contextlib.contextmanager
def open_board(target: Target) -> Iterator[Board]:
    """The target's board, reserved for a session; closed when the block ends.

    Raises:
        UsageError: the target needs a host, and none is given.
        BoardUnreachable: there is no way to it.
        Refused: somebody else measures on it, or no Python of it fits.
    """
    if target.file.transport == "local":
        with closing(LocalBoard()) as board:
            yield board
        return
    silence_s = session.SILENCE_S * _patience(target)
    with (
        open_transport(target) as transport,
        closing(
            RemoteBoard(transport, target.root, name=called(target), silence_s=silence_s)
        ) as board,
    ):
        yield board


@contextlib.contextmanager
def open_slot(target: Target) -> Iterator[Slot]:
    """The target's slot for releases. Raises as `open_board` does, but reserves nothing."""
    with contextlib.ExitStack() as stack:
        with left("nothing was changed there"):
            transport = stack.enter_context(open_transport(target))
            shell = Shell(transport, called(target), patience=_patience(target))
            root = folder_on(shell, target.root)
        wanted = dict.fromkeys([target.setting("runtime"), *target.file.runtimes])
        also = [sys.executable] if target.file.transport == "local" else []
        health = Health(shell, root / WORK, list(wanted), also)
        yield Slot(
            shell, root, target.slot, keep=Keep(target.keep_releases, target.keep_mb), check=health
        )


@contextlib.contextmanager
def open_transport(target: Target) -> Iterator[Transport]:
    """A connection to the target. Raises UsageError, BoardUnreachable."""
    with contextlib.closing(TRANSPORTS[target.file.transport](target)) as transport:
        yield transport


def hooks_of(target: Target) -> Hooks:
    """What the lab file has run when a release becomes current."""
    return Hooks(target.on_publish, target.health_cmd)


def called(target: Target) -> str:
    """What errors call the board."""
    return target.name if target.file.transport == "local" else target.require_host()


def _patience(target: Target) -> int:
    """A second of an emulated clock is many of ours on a busy machine; a dead line shows anyway."""
    return SLOW_CLOCK if target.emulated else 1


def _local(target: Target) -> Transport:
    del target
    return Local()


def _ssh(target: Target) -> Transport:
    from pipeline.board.ssh import connect

    return connect(target.require_host())


def _virtual(target: Target) -> Transport:
    from pipeline.board.ssh import connect
    from pipeline.board.virtual import up

    vm = up(target.require_host())
    return connect(
        vm.host, user=vm.user, port=vm.port, identity=vm.identity, known_hosts=vm.known_hosts,
        config="none",
    )  # fmt: skip


TRANSPORTS: dict[str, Callable[[Target], Transport]] = {
    "local": _local,
    "ssh": _ssh,
    "virtual": _virtual,
}
