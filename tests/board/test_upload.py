"""Files onto a board that is full, read-only, slow to take them, or that garbles them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from pipeline.board.local import Local
from pipeline.board.shell import Shell
from pipeline.board.upload import PIECE, sender, upload
from pipeline.errors import BoardUnreachable, Refused
from tests.board.local_boards import board_at

DATA = bytes(range(256)) * (3 << 12) + b"end"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small disk of its own."""
    if os.geteuid() != 0:
        pytest.skip("NO MOUNT: only root may make a small disk; run these tests as root")
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"NO MOUNT: {done.stderr.strip()}; run these tests where root may mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_goes_once_and_a_changed_one_again(
    shell: Shell, source: Path, tmp_path: Path
) -> None:
    place = tmp_path / "with 'quote"
    place.mkdir()
    remote = PurePosixPath(place / "file")
    assert upload(shell, source, remote)
    assert not upload(shell, source, remote)
    Path(remote).write_bytes(b"other")
    assert upload(shell, source, remote)
    assert Path(remote).read_bytes() == DATA
    assert names(place) == ["file"]


def test_an_empty_file_is_a_file(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "nothing").touch()
    assert upload(shell, tmp_path / "nothing", PurePosixPath(tmp_path / "there"))
    assert (tmp_path / "there").read_bytes() == b""


class Cut(Local):
    """The line breaks within the second chunk."""

    puts = 0
    offsets: list[int]

    def put(self, data, path, *, offset):  # type: ignore[no-untyped-def]
        self.puts += 1
        if self.puts == 2:
            super().put(data[:1000], path, offset=offset)
            raise BoardUnreachable("the line is cut", fix="mend it")
        super().put(data, path, offset=offset)


class Noting(Local):
    """Notes where writing begins."""

    def __init__(self) -> None:
        self.offsets: list[int] = []

    def put(self, data, path, *, offset):  # type: ignore[no-untyped-def]
        self.offsets.append(offset)
        super().put(data, path, offset=offset)


def test_what_was_cut_goes_on_where_it_ended(source: Path, tmp_path: Path) -> None:
    remote = PurePosixPath(tmp_path / "file")
    with pytest.raises(BoardUnreachable):
        upload(Shell(Cut(), "b"), source, remote)
    assert not Path(remote).exists()
    noting = Noting()
    upload(Shell(noting, "b"), source, remote)
    assert noting.offsets[0] == PIECE + 1000
    assert Path(remote).read_bytes() == DATA


def test_garbage_in_a_part_is_found_and_sent_again(source: Path, tmp_path: Path) -> None:
    remote = PurePosixPath(tmp_path / "file")
    part = tmp_path / f".file.{sender()}.part"
    part.write_bytes(b"\0" * 5000)
    noting = Noting()
    upload(Shell(noting, "b"), source, remote)
    assert noting.offsets == [*range(0, len(DATA), PIECE)]
    part.write_bytes(DATA + b"longer")
    Path(remote).unlink()
    upload(Shell(noting, "b"), source, remote)
    assert Path(remote).read_bytes() == DATA


def test_a_disk_that_garbles_is_refused_and_nothing_stays(source: Path, tmp_path: Path) -> None:
    class Garbling(Local):
        def put(self, data, path, *, offset):  # type: ignore[no-untyped-def]
            super().put(data[:-1] + b"?", path, offset=offset)

    (tmp_path / "disk").mkdir()
    with pytest.raises(Refused, match="arrives with other bytes"):
        upload(Shell(Garbling(), "b"), source, PurePosixPath(tmp_path / "disk/file"))
    assert names(tmp_path / "disk") == []


def test_a_full_disk_is_refused_and_nothing_stays(
    shell: Shell, source: Path, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "size=2m") as disk:
        with pytest.raises(Refused, match=r"no space left: source needs 3,146 kB") as caught:
            upload(shell, source, PurePosixPath(disk / "file"))
        assert "free some space" in str(caught.value)
        assert names(disk) == []


def test_a_disk_that_fills_up_meanwhile_is_refused_and_nothing_stays(
    source: Path, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "size=5m") as disk:

        class Filling(Local):
            def put(self, data, path, *, offset):  # type: ignore[no-untyped-def]
                (disk / "other").write_bytes(b"x" * (3 << 20))
                super().put(data, path, offset=offset)

        with pytest.raises(Refused, match="No space left on device"):
            upload(Shell(Filling(), "b"), source, PurePosixPath(disk / "file"))
        assert names(disk) == ["other"]


def test_a_read_only_root_is_refused(root: Path) -> None:
    with mounted(root, "ro,size=1m"), pytest.raises(Refused, match="Read-only") as caught:
        board_at(root)
    assert "mount it writable" in str(caught.value)


def test_a_root_that_is_not_ours_to_write_is_refused(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("ROOT MAY WRITE ANYWHERE: run as another user to see this one")
    (tmp_path / "theirs").mkdir(mode=0o555)
    with pytest.raises(Refused, match="Permission denied"):
        board_at(tmp_path / "theirs/root")
