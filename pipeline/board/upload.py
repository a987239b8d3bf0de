"""A file onto a board: what is there is kept, what is cut is resumed, what is wrong never counts.

Only POSIX sh and sha256sum are needed there. Bytes go to a partial file of this user and machine;
its sha256 is computed on the board, the file is synced, and only then renamed. What a partial
file holds is compared piece by piece, so that a cut or a flipped bit costs one piece.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from pipeline.artifacts import file_digest
from pipeline.board.shell import Shell
from pipeline.errors import Refused
from pipeline.progress import track

PIECE = 512 << 10  # sent again at most, once for each place where the board has other bytes
TRIES = 3
STATE = """
folders "${1%/*}"
if [ "$(digest "$1")" = "$4" ]; then
  touch "$1" 2> /dev/null || :
  rm -f "$2"; echo there; exit 0
fi
df -Pk "${1%/*}" | tail -n 1
if [ -f "$2" ]; then :
elif [ ! -f "$1" ] || ! bytes "$1" 2> /dev/null > "$2"; then : > "$2"; fi
size=$(($(wc -c < "$2"))); echo "$size"
at=0
while [ "$((at * $3))" -lt "$size" ]; do
  dd if="$2" bs="$3" skip="$at" count=1 2> /dev/null | sha256sum
  at=$((at + 1))
done
"""
FINISH = """
if [ "$(digest "$2")" != "$3" ]; then echo corrupt; exit 0; fi
settle "$2"
mv -f "$2" "$1"
settle "${1%/*}"
echo whole
"""


def upload(shell: Shell, source: Path, remote: PurePosixPath) -> bool:
    """Have a file with the bytes of `source` at `remote`; False where it was there already.

    Raises:
        Refused: no space, not writable, or the bytes arrive wrong again and again.
        BoardUnreachable: the connection broke; the next attempt goes on where this one ended.
    """
    digest = file_digest(source)
    part = remote.with_name(f".{remote.name}.{sender()}.part")
    for _ in range(TRIES):
        said = shell.run(STATE, str(remote), str(part), str(PIECE), digest).splitlines()
        if said == ["there"]:
            return False
        if len(said) < 2:
            raise shell.silent()
        table, size, *sums = said
        _send(shell, source, part, int(size), [line.split()[0] for line in sums], _free(table))
        if shell.run(FINISH, str(remote), str(part), digest).strip() == "whole":
            return True
    shell.run('rm -f "$1"', str(part))
    raise Refused(
        f"{source.name} arrives with other bytes than it has here", where=shell.name,
        fix="check the board's disk (an SD card that wears out does this)",
    )  # fmt: skip


def sender() -> str:
    """Short name of this user on this machine: two senders never write to one partial file."""
    return hashlib.sha256(f"{os.getuid()}@{platform.node()}".encode()).hexdigest()[:8]


def _free(table: str) -> int | None:
    """Bytes that this user has left, by `df -Pk`; None if it does not tell."""
    numbers = [word for word in table.split() if word.isdigit()]
    return int(numbers[2]) * 1024 if len(numbers) > 2 else None


def _send(
    shell: Shell, source: Path, part: PurePosixPath, had: int, sums: Sequence[str],
    free: int | None,
) -> None:  # fmt: skip
    """Bytes that are missing or wrong in the partial file; it goes when the disk is full.

    `had`: its size; `sums`: the sha256 of each of its pieces.
    """
    size = source.stat().st_size
    if had > size:
        shell.run(': > "$1"', str(part))
        had, sums = 0, ()
    if free is not None and free < size - had:
        shell.run('rm -f "$1"', str(part))
        needs, has = f"{(size - had) / 1e3:,.0f} kB", f"{free / 1e3:,.0f} kB"
        raise shell.refusal(f"no space left: {source.name} needs {needs}, there are {has}")
    pieces = list(_ranges(source, had, sums))
    try:
        for offset, count in track(pieces, f"sending {source.name}", len(pieces)):
            shell.transport.put(_read(source, offset, count), part, offset=offset)
    except (OSError, Refused) as problem:
        with contextlib.suppress(Refused):  # on a disk that became read-only it stays
            shell.run('rm -f "$1"', str(part))
        if isinstance(problem, Refused):
            raise
        raise shell.refusal(problem.strerror or str(problem)) from None


def _ranges(source: Path, had: int, digests: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(offset, count) of what the board lacks, by the pieces that it has."""
    size = source.stat().st_size
    wrong = [number for number, digest in enumerate(digests) if _sum(source, number, had) != digest]
    if wrong and wrong[-1] == len(digests) - 1:
        had = wrong.pop() * PIECE  # the last one is no whole piece: it goes with what follows
    for number in wrong:
        yield number * PIECE, PIECE
    for offset in range(had, size, PIECE):
        yield offset, min(PIECE, size - offset)


def _sum(source: Path, number: int, had: int) -> str:
    """sha256 of a piece, as far as the board has it."""
    offset = number * PIECE
    return hashlib.sha256(_read(source, offset, min(PIECE, had - offset))).hexdigest()


def _read(source: Path, offset: int, count: int) -> bytes:
    with source.open("rb") as stream:
        stream.seek(offset)
        return stream.read(count)
