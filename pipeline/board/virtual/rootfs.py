"""The guest's root file system, put together from packages without root and without emulation.

No package's own scripts run: they are arm64. What they would have done and a board needs
(accounts, keys, links) is done here; `guest/` holds the files of ours that go in as they are.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipeline.board.virtual.host import run, search_path
from pipeline.errors import Refused
from pipeline.progress import say

GUEST = Path(__file__).parent / "guest"
USER = "board"
MERGED = ("bin", "sbin", "lib")
EMPTY = ("proc", "sys", "dev", "run", "tmp", "mnt", "root", "home")
HEAVY = ("gpu", "media", "infiniband", "scsi", "iio", "staging", "net/wireless", "net/ethernet")
LEFT_OUT = (
    "./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*", "./usr/share/info/*",
    "./usr/share/perl/*", "./usr/lib/linux-image-*", "./lib/modules/*/kernel/sound",
    "./boot/System.map-*",
    *(f"./lib/modules/*/kernel/drivers/{name}" for name in HEAVY),
)  # fmt: skip


def unpack(packages: Iterable[Path], root: Path) -> None:
    """Unpack packages over each other into a new folder with merged /usr. Raises Refused."""
    for name in MERGED:
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda package: _unpack(package, root), packages))


def _unpack(package: Path, root: Path) -> None:
    script = 'p=$1 r=$2; shift 2; dpkg-deb --fsys-tarfile "$p" | tar -C "$r" -x "$@"'
    options = ["--keep-directory-symlink", "--no-same-owner"]
    options += [f"--exclude={pattern}" for pattern in LEFT_OUT]
    words = ["sh", "-c", script, "sh", str(package), str(root), *options]
    run(words, fix="free some space in the cache folder, and run it again")


def settle(root: Path, identity: Path, host_key: Path) -> None:
    """Make a bootable system of unpacked packages: our files, accounts, keys and links."""
    for name in EMPTY:
        (root / name).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "var/tmp").mkdir(exist_ok=True, parents=True)
    (root / "var/tmp").chmod(0o1777)
    shutil.copytree(GUEST / "etc", root / "etc", dirs_exist_ok=True)
    (root / "etc/rcS").chmod(0o755)
    _accounts(root)
    public = identity.with_suffix(".pub").read_text()
    for home in ("root", f"home/{USER}"):
        _authorize(root / home, public)
    key = root / "etc/ssh/ssh_host_ed25519_key"
    shutil.copy(host_key, key)
    key.chmod(0o600)
    _link(root / "usr/sbin/init", "../bin/busybox")
    for name in ("reboot", "poweroff"):
        _link(root / "usr/sbin" / name, "../bin/busybox")
    _link(root / "usr/bin/awk", "mawk")


def accounts(passwd: str, group: str) -> dict[str, str]:
    """The account files from Debian's masters: sshd's own account and one user; no passwords."""
    passwd = passwd.replace(":*:", ":x:")
    passwd += "sshd:x:101:65534::/run/sshd:/usr/sbin/nologin\n"
    passwd += f"{USER}:x:1000:1000::/home/{USER}:/bin/bash\n"
    names = [line.split(":")[0] for line in passwd.splitlines()]
    return {
        "passwd": passwd,
        "group": group.replace(":*:", ":x:") + f"{USER}:x:1000:\n",
        "shadow": "".join(f"{name}:*:19000:0:99999:7:::\n" for name in names),
    }


def _accounts(root: Path) -> None:
    master = root / "usr/share/base-passwd"
    files = accounts((master / "passwd.master").read_text(), (master / "group.master").read_text())
    for name, text in files.items():
        (root / "etc" / name).write_text(text)
    (root / "etc/shadow").chmod(0o600)


def _authorize(home: Path, public: str) -> None:
    folder = home / ".ssh"
    folder.mkdir(parents=True)
    (folder / "authorized_keys").write_text(public)
    (folder / "authorized_keys").chmod(0o600)
    folder.chmod(0o700)
    home.chmod(0o700)


def _link(path: Path, to: str) -> None:
    if not path.is_symlink() and not path.exists():
        path.symlink_to(to)


def byte_compile(root: Path) -> None:
    """Compile the guest's Python here: there its first import would take a minute.

    Byte code depends on the minor version only. Without that version here, the guest stays slow.
    """
    for library in root.glob("usr/lib/python3.*"):
        version = library.name.removeprefix("python")
        python = python_of(version)
        if python is None:
            say(f"no python{version} here to byte-compile the guest's: its imports will be slow")
            continue
        options = ["-q", "-j", "0", "-s", str(root), "-p", "/"]
        options += ["--invalidation-mode", "unchecked-hash", "-x", "lib2to3/tests|/test/"]
        command = [python, "-I", "-m", "compileall", *options, str(library)]
        subprocess.run(command, capture_output=True)  # a file that does not compile is no loss


def python_of(version: str) -> str | None:
    """An interpreter of this minor version, ours first."""
    if version == "{}.{}".format(*sys.version_info[:2]):
        return sys.executable
    return shutil.which(f"python{version}", path=search_path())


def make_file_system(root: Path, image: Path, size: str) -> None:
    """An ext4 file system with the tree's files, owned by root. Raises Refused."""
    make: list[str | Path] = [
        "mke2fs",
        "-q",
        "-t",
        "ext4",
        "-m",
        "0",
        "-L",
        "root",
        "-d",
        root,
        "-F",
        image,
        size,
    ]
    if os.geteuid() != 0:
        make = ["unshare", "-r", *make]
    try:
        run(make, fix="free some space in the cache folder")
    except Refused as problem:
        if re.search("unshare|not permitted", problem.what):
            fix = "allow user namespaces to plain users on this machine, or build it as root"
            raise Refused(problem.what, where="unshare", fix=fix) from None
        raise
