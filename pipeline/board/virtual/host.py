"""The programs of this machine that a virtual board needs, and how they are run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.errors import Refused

EMULATOR = "qemu-system-aarch64"
PACKAGES = {
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-img": "qemu-utils",
    "mke2fs": "e2fsprogs",
    "depmod": "kmod",
    "cpio": "cpio",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
    "tar": "tar",
}
DEBIAN = ("apt-get", "apt-config", "dpkg-deb")


def search_path() -> str:
    """PATH with the folders of system programs, which a plain user's PATH may lack."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def require() -> None:
    """Raises Refused when a program is missing: the apt command that installs them all."""
    missing = [name for name in (*DEBIAN, *PACKAGES) if not shutil.which(name, path=search_path())]
    if any(name in DEBIAN for name in missing):
        raise Refused(
            f"a virtual board is built by Debian's apt, and {', '.join(missing)} is not here",
            fix="use a Debian machine or container",
        )
    if missing:
        raise Refused(
            f"a virtual board needs programs that are not here: {', '.join(missing)}",
            fix=install_command(missing),
        )


def install_command(missing: Sequence[str]) -> str:
    """The command that installs the packages of these programs."""
    packages = " ".join(dict.fromkeys(PACKAGES[name] for name in missing))
    sudo = "" if os.geteuid() == 0 else "sudo "
    return f"{sudo}apt-get install --no-install-recommends {packages}"


def run(
    command: Sequence[str | Path],
    *,
    fix: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a program of this machine to its end; its stdout. Raises Refused with its last word."""
    variables = {**os.environ, "PATH": search_path(), "LC_ALL": "C", **(env or {})}
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        cwd=cwd, env=variables,
    )  # fmt: skip
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).rsplit("\n", 1)[-1]
        raise Refused(said[:300] or f"ended with {done.returncode}", where=command[0], fix=fix)
    return done.stdout
