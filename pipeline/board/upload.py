"""A file onto a board: what is there is kept, what is cut is resumed, what is wrong never counts.

Only POSIX sh and sha256sum are needed there. Bytes go to a partial file of this user and machine;
its sha256 is computed on the board, the file is synced, and only then renamed.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pipeline.artifacts import file_digest
from pipeline.board.shell import Shell
from pipeline.errors import Refused
from pipeline.progress import track

CHUNK = 1 << 20
HASH_BYTES_PER_S = 2_000_000
STATE = """
if [ -f "$1" ]; then sha256sum < "$1"; else echo none; fi
if [ -f "$2" ]; then wc -c < "$2"; else echo 0; fi
"""
FINISH = """
sum=$(sha256sum < "$2")
if [ "${sum%% *}" != "$3" ]; then rm -f "$2"; echo corrupt; exit 0; fi
sync "$2" 2> /dev/null || sync
mv -f "$2" "$1"
sync "${1%/*}" 2> /dev/null || sync
"""


def upload(shell: Shell, source: Path, remote: PurePosixPath) -> bool:
    """Have a file with the bytes of `source` at `remote`; False where it was there already.

    Its folder must exist.

    Raises:
        Refused: no space, not writable, or the bytes arrive wrong twice.
        BoardUnreachable: the connection broke; the next attempt goes on where this one ended.
    """
    size, digest = source.stat().st_size, file_digest(source)
    part = remote.with_name(f".{remote.name}.{sender()}.part")
    timeout_s = 60 + size / HASH_BYTES_PER_S
    found, had = shell.run(STATE, str(remote), str(part), timeout_s=timeout_s).splitlines()
    if found.split()[0] == digest:
        shell.run('touch "$1"', str(remote))
        return False
    for start in (int(had) if int(had) <= size else 0, 0):
        if start == 0:
            shell.run(': > "$1"', str(part))
        _send(shell, source, part, start)
        words = (str(remote), str(part), digest)
        if not shell.run(FINISH, *words, timeout_s=timeout_s).strip():
            return True
    raise Refused(
        f"{source.name} arrives with other bytes than it has here", where=shell.name,
        fix="check the board's disk (an SD card that wears out does this)",
    )  # fmt: skip


def sender() -> str:
    """Short name of this user on this machine: two senders never write to one partial file."""
    return hashlib.sha256(f"{os.getuid()}@{platform.node()}".encode()).hexdigest()[:8]


def _send(shell: Shell, source: Path, part: PurePosixPath, start: int) -> None:
    """Bytes from `start` on into the partial file; it goes when the disk cannot take them."""
    size = source.stat().st_size
    free = shell.free_bytes(part.parent)
    if free is not None and free < size - start:
        shell.run('rm -f "$1"', str(part))
        needs, has = (size - start) / 1e6, free / 1e6
        raise shell.refusal(f"no space left: {source.name} needs {needs:.1f} MB of {has:.1f} MB")
    pieces = track(_pieces(source, start), f"sending {source.name}", -(-(size - start) // CHUNK))
    try:
        for offset, data in pieces:
            shell.transport.put(data, part, offset=offset)
    except (OSError, Refused) as problem:
        shell.run('rm -f "$1"', str(part))
        if isinstance(problem, Refused):
            raise
        raise shell.refusal(problem.strerror or str(problem)) from None


def _pieces(source: Path, start: int) -> Iterator[tuple[int, bytes]]:
    with source.open("rb") as stream:
        stream.seek(start)
        while data := stream.read(CHUNK):
            yield stream.tell() - len(data), data
