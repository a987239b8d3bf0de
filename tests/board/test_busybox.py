"""The smallest of boards: busybox and nothing else, and one whose mv knows no -T."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from pipeline.board.local import Local
from pipeline.board.shell import Shell
from pipeline.board.slots import Hooks, Slot
from pipeline.errors import Refused
from tests.board.test_slots import current, made, now, whole
from tests.board.test_transaction import half_done


class With(Local):
    """This machine, with the programs of one folder only."""

    def __init__(self, folder: Path) -> None:
        self._path = folder

    def exec(self, command, *, timeout_s):  # type: ignore[no-untyped-def]
        words = ["/usr/bin/env", "-i", f"PATH={self._path}", *command]
        return super().exec(words, timeout_s=timeout_s)


@pytest.fixture
def busybox(tmp_path: Path) -> Path:
    """A folder with every applet of busybox."""
    program = shutil.which("busybox")
    if not program:
        pytest.skip("NO busybox: `apt-get install busybox-static`")
    folder = tmp_path / "bin"
    folder.mkdir()
    subprocess.run([program, "--install", "-s", str(folder)], check=True)
    return folder


@pytest.fixture
def old_mv(tmp_path: Path) -> Path:
    """A folder with this machine's programs, its mv an older one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("sh", "cat", "wc", "ls", "ln", "mkdir", "rm", "touch", "sha256sum", "readlink",
                 "df", "du", "sync", "dd", "tail", "sleep", "setsid", "flock"):  # fmt: skip
        (folder / tool).symlink_to(shutil.which(tool) or tool)
    (folder / "python3").symlink_to(sys.executable)
    words = "case $1 in -T*) echo \"mv: invalid option -- 'T'\" >&2; exit 1;; esac"
    (folder / "mv").write_text(f'#!/bin/sh\n{words}\nexec {shutil.which("mv")} "$@"\n')
    (folder / "mv").chmod(0o755)
    return folder


@pytest.mark.parametrize("programs", ["busybox", "old_mv"])
def test_a_release_goes_out_and_comes_back(
    programs: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    shell = Shell(With(request.getfixturevalue(programs)), "small")
    slot = Slot(shell, PurePosixPath(tmp_path / "new" / "root"), "app")
    one, two = made(tmp_path, "one", 2), made(tmp_path, "two", 2)
    slot.push(one)
    slot.publish(None, Hooks())
    slot.push(two)
    assert slot.publish(None, Hooks(health_cmd="true")).digest == two.digest == whole(current(slot))
    assert slot.rollback(Hooks()).digest == one.digest
    with pytest.raises(Refused, match="exit code 3"):
        slot.publish(two.digest, Hooks(health_cmd="exit 3"))
    half_done(slot, two.digest, one.digest)
    assert [r.state for r in slot.releases()] == ["", "current"]
    assert now(slot) == one.digest == whole(current(slot))
