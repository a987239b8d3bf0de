"""Files onto a board: with SFTP, without it, and where the disk does not take them."""

import os
import shutil
import subprocess
from pathlib import PurePosixPath

import pytest

from pipeline.board.shell import Shell
from pipeline.board.upload import upload
from pipeline.errors import BoardUnreachable, Refused
from tests.board.ssh.servers import SFTP

BROKEN_SFTP = ("Subsystem sftp /no/such/sftp-server",)


BUSYBOX = "`apt-get install --no-install-recommends busybox-static`"


@pytest.fixture(scope="session")
def applets(tmp_path_factory):
    """A folder that holds busybox's programs and nothing else."""
    folder = tmp_path_factory.mktemp("applets")
    if not shutil.which("busybox"):
        pytest.skip(f"no busybox here: {BUSYBOX}")
    subprocess.run(["busybox", "--install", "-s", str(folder)], check=True)
    return folder


@pytest.fixture(params=["sftp", "shell", "broken sftp", "busybox"])
def lines(request):
    """Configuration of an sshd: as usual, without SFTP, with one that fails, a small system."""
    if request.param == "busybox":
        folder = request.getfixturevalue("applets")
        command = f'exec {folder}/sh -c "$SSH_ORIGINAL_COMMAND"'
        return (f"SetEnv PATH={folder}", f"ForceCommand {command}")
    return {"sftp": (SFTP,), "shell": (), "broken sftp": BROKEN_SFTP}[request.param]


@pytest.fixture
def any_board(make_sshd, connect, lines):
    return connect(make_sshd(lines=lines))


def test_a_small_system_is_what_it_says(make_sshd, connect, applets):
    command = f'exec {applets}/sh -c "$SSH_ORIGINAL_COMMAND"'
    board = connect(make_sshd(lines=(f"SetEnv PATH={applets}", f"ForceCommand {command}")))
    assert b"BusyBox" in board.exec(["dd", "--help"], timeout_s=20).stderr
    assert board.exec(["sh", "-c", "kill -9 $$"], timeout_s=20).status == -9
    stream = board.stream(["sh", "-c", "sleep 100 & echo hi; wait"])
    assert stream.read_line(20) == b"hi"
    assert stream.finish(0.5) == -15


def test_every_offset_and_every_name(any_board, tmp_path):
    path = PurePosixPath(tmp_path / "new folder" / "it's ünï $x \n-*")
    any_board.put(b"abcdef", path, offset=0)
    any_board.put(b"XY", path, offset=2)
    any_board.put(b"", path, offset=3)
    any_board.put(b"Z" * 100_001, path, offset=6)
    any_board.put(b"!", path, offset=100_010)
    assert any_board.fetch(path) == b"abXYef" + b"Z" * 100_001 + bytes(3) + b"!"


def test_an_upload_arrives_and_is_not_sent_twice(any_board, tmp_path):
    source, target = tmp_path / "source", PurePosixPath(tmp_path / "target")
    source.write_bytes(os.urandom(3_000_001))
    assert upload(Shell(any_board, "b"), source, target)
    assert any_board.fetch(target) == source.read_bytes()
    assert not upload(Shell(any_board, "b"), source, target)


def test_a_file_that_cannot_be_read(board, tmp_path, refused):
    assert "No such file" in refused(Refused, board.fetch, PurePosixPath(tmp_path / "none"))
    assert "Is a directory" in refused(Refused, board.fetch, PurePosixPath(tmp_path))


def test_a_folder_that_is_a_file(any_board, tmp_path, refused):
    (tmp_path / "file").touch()
    path = PurePosixPath(tmp_path / "file" / "x")
    text = refused(Refused, any_board.put, b"x", path, offset=0)
    assert "cannot be written: File exists" in text or "cannot be written: Not a dir" in text


def test_no_session_left(make_sshd, connect, refused):
    board = connect(make_sshd(lines=("MaxSessions 0",)))
    text = refused(BoardUnreachable, board.exec, ["true"], timeout_s=20)
    assert "opens no further session" in text and "MaxSessions" in text


@pytest.fixture
def mounted(make_sshd, connect, tmp_path, lines):
    """A board with a file system of its own in a mount namespace, seen by its sshd alone."""
    folder = tmp_path / "disk"
    folder.mkdir()
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "none", str(folder)]
    if os.getuid() or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("needs root with CAP_SYS_ADMIN, to mount a small disk: run as root")

    def make(options, name):
        mount = f"mount -t tmpfs -o {options} none {folder} && exec " + '"$@"'
        server = make_sshd(name, lines=lines, within=("unshare", "-m", "sh", "-c", mount, "sh"))
        return connect(server), PurePosixPath(folder)

    return make


def test_no_space_is_told_with_figures(mounted, refused):
    board, folder = mounted("size=1m", "small")
    text = refused(Refused, board.put, bytes(3 << 20), folder / "big", offset=0)
    assert "no space left: 3.0 MiB to write" in text
    board.exec(["rm", str(folder / "big")], timeout_s=20)
    board.put(b"x", folder / "small", offset=0)


def test_a_read_only_disk_is_told(mounted, refused):
    board, folder = mounted("ro", "read-only")
    for path in (folder / "x", folder / "new" / "x"):
        text = refused(Refused, board.put, b"x", path, offset=0)
        assert "Read-only file system" in text and "`root`" in text


def test_a_folder_that_is_not_ours_is_told(any_board, tmp_path, refused):
    if os.getuid() == 0:
        folder = PurePosixPath("/sys/kernel")
    else:
        (tmp_path / "shut").mkdir(mode=0o555)
        folder = PurePosixPath(tmp_path / "shut")
    text = refused(Refused, any_board.put, b"x", folder / "x", offset=0)
    assert "cannot be written" in text and "`root`" in text
